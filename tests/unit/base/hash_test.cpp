// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace detent {

// Expected values: xxhash.xxh3_128_hexdigest of Python's xxhash 3.
TEST_CASE("XXH3-128 gives the digests of the reference implementation") {
  const std::string word = "detent";
  std::vector<std::byte> data(1000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7 % 256);
  CHECK(xxh3({}) == "xxh3-128:99aa06d3014798d86001c324468d497f");
  CHECK(xxh3(std::as_bytes(std::span(word))) == "xxh3-128:7d297d34d606d5f0eb72f5c128b36a93");
  CHECK(xxh3(data) == "xxh3-128:abee229cdadad76d10ad30264426c830");
}

TEST_CASE("A digest does not depend on how the data is cut") {
  std::vector<std::byte> data(10'000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * i % 251);
  Xxh3 hash;
  for (std::size_t at = 0, step = 1; at < data.size(); at += step, step = step * 3 % 1009)
    hash.update(std::span(data).subspan(at, std::min(step, data.size() - at)));
  CHECK(hash.digest() == xxh3(data));
  CHECK(Xxh3().digest() == xxh3({}));
}

}  // namespace detent
