// SPDX-License-Identifier: Apache-2.0
#include "plugin/sha256.hpp"

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace detent;
using namespace detent::test;

TEST_CASE("sha256_of gives the digests of FIPS 180-2") {
  const TempFolder folder;
  const auto hash = [&](const std::string& text) {
    return sha256_of(File::open_to_read(folder.write("file", text)));
  };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // Longer than the block that is read at a time: appendix B.3.
  CHECK(hash(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  // By Python's hashlib.
  CHECK(hash(std::string((std::size_t{2} << 20) + 1, 'b')) ==
        "2b9798b5210dac316bb4a4492b4ba75fcb86c34d25b75ec874399ebaee76393c");
}
