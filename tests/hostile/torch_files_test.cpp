// SPDX-License-Identifier: Apache-2.0
// Hostile files of PyTorch given to the program: it says what is wrong, exits with 5, runs nothing
// and writes nothing.
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/program.hpp"
#include "support/refusal.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

using namespace pickle;

// inspect and run say this of the file, and leave nothing behind.
void check_refused(const std::string& bytes, const std::string& message) {
  const TempFolder folder;
  write_file(folder / "m.pt", bytes);
  write_file(folder / "p.json",
             R"({"model": {"path": "m.pt"}, "rules": [{"weight": {"quantizer": "int8"}}],
                 "outputs": [{"serializer": "safetensors", "path": "out/q.safetensors"}],
                 "report": {"path": "report"}})");
  const std::vector<std::string> before = folder.names();
  for (const auto& command : {std::vector<std::string>{"inspect", (folder / "m.pt").string()},
                              std::vector<std::string>{"run", (folder / "p.json").string()}}) {
    const Outcome outcome = run_detent(command);
    INFO(outcome.err);
    CHECK(outcome.exit_code == 5);
    CHECK(contains(outcome.err, "m.pt"));
    CHECK(contains(outcome.err, message));
    CHECK(folder.names() == before);
  }
}

std::string weight() { return text("w") + tensor({}); }

}  // namespace

TEST_CASE("A pickle that calls os.system is refused by its name and calls nothing") {
  const TempFolder elsewhere;
  const std::string target = (elsewhere / "made").string();
  const std::string evil =
      dict(weight() + text("e") + call(global("posix", "system"), text("touch " + target)));
  check_refused(torch_zip(evil, {counting(24)}).bytes(), "refuses \"posix.system\"");
  check_refused(torch_legacy(evil, {counting(24)}, {6}), "refuses \"posix.system\"");
  CHECK(elsewhere.names().empty());
}

TEST_CASE("Empty, truncated, damaged and exaggerating files are refused with the reason") {
  const std::string good = torch_zip(dict(weight()), {counting(24)}).bytes();
  check_refused("", "is empty");
  check_refused(good.substr(0, good.size() / 2), "without a directory at its end");
  std::string flipped = good;
  const std::size_t at = good.find(counting(24)) + 13;
  flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
  check_refused(flipped, "were changed since they were written");
  ZipWriter bomb;
  check_refused(bomb.add({"m/data.pkl", "x", 0xFFFF'FFF0}).bytes(), "do not end before byte");
}

}  // namespace detent::test
