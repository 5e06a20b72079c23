// SPDX-License-Identifier: Apache-2.0
// config_examples/invalid: each file has one mistake, and beside it the message that it must give.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "config/config.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

const fs::path kFolder = fs::path(DETENT_CONFIG_EXAMPLES) / "invalid";

enum class Mistake { of_the_file, about_plugins };

std::vector<fs::path> invalid_files(Mistake wanted = Mistake::of_the_file) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const bool plugins = entry.path().filename().string().starts_with("plugin_");
    const bool is_wanted = plugins == (wanted == Mistake::about_plugins);
    if (entry.path().extension() == ".json" && is_wanted) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Error error_of(const fs::path& file, const Registry* registry = nullptr) {
  try {
    Config config = load_config(file, {});
    if (registry != nullptr) check_plugins(config, *registry);
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::unexpected, "accepted");
}

std::string without_folder(std::string text) {
  const std::string prefix = kFolder.string() + "/";
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

void compare_with_golden(const fs::path& file, const Error& error) {
  CAPTURE(file.filename().string());
  fs::path golden = file;
  golden.replace_extension(".txt");
  REQUIRE(fs::exists(golden));
  CHECK(without_folder(error.what()) + "\n" == read_text_file(golden, 1 << 16));
  CHECK(error.exit_code() == 2);
}

TEST_CASE("every invalid example gives exactly the message beside it") {
  const std::vector<fs::path> files = invalid_files();
  CHECK(files.size() >= 45);
  for (const fs::path& file : files) compare_with_golden(file, error_of(file));
}

#ifdef DETENT_BUILTIN_PLUGINS
TEST_CASE("mistakes about the built-in plugins give exactly the message beside them") {
  const Registry registry = Registry::scan({{DETENT_BUILTIN_PLUGINS, "test", true}});
  const std::vector<fs::path> files = invalid_files(Mistake::about_plugins);
  CHECK(files.size() >= 7);
  for (const fs::path& file : files) compare_with_golden(file, error_of(file, &registry));
}

TEST_CASE("every valid example is accepted with the built-in plugins") {
  const Registry registry = Registry::scan({{DETENT_BUILTIN_PLUGINS, "test", true}});
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(DETENT_CONFIG_EXAMPLES)) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path().string());
    ++count;
    Config config = load_config(entry.path(), {});
    CHECK_NOTHROW(check_plugins(config, registry));
  }
  CHECK(count > 0);
}
#endif

TEST_CASE("every problem names a place and fits on three lines") {
  for (const fs::path& file : invalid_files()) {
    const Error error = error_of(file);
    for (const Problem& p : error.problems()) {
      const std::string text = format_problem(p);
      CAPTURE(text);
      CHECK(p.where.file == file.string());
      CHECK(p.where.line > 0);
      CHECK(std::count(text.begin(), text.end(), '\n') <= 2);
    }
  }
}

TEST_CASE("a file with one mistake gives one problem and a file with many gives all") {
  for (const fs::path& file : invalid_files()) {
    CAPTURE(file.filename().string());
    const std::size_t expected = file.stem() == "many_mistakes" ? 9 : 1;
    CHECK(error_of(file).problems().size() == expected);
  }
}

TEST_CASE("a file that cannot be read is an input error") {
  const TempFolder temp;
  CHECK(error_of(temp / "none.json").code() == ErrorCode::io);
  CHECK(error_of(temp.path()).code() == ErrorCode::io);  // a folder
  CHECK(error_of("/dev/null").code() == ErrorCode::io);
  const fs::path large = temp.write("large.json", std::string((16 << 20) + 1, ' '));
  CHECK(error_of(large).code() == ErrorCode::io);
}

TEST_CASE("an empty file and a deeply nested one are configuration errors") {
  const TempFolder temp;
  CHECK(error_of(temp.write("empty.json", "")).code() == ErrorCode::config);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"model\":";
  const Error error = error_of(temp.write("deep.json", deep));
  CHECK(error.code() == ErrorCode::config);
  CHECK(std::string(error.what()).find("more than 64 levels of nesting") != std::string::npos);
  CHECK(error_of(temp.write("deep2.json", std::string(100'000, '['))).code() == ErrorCode::config);
}

TEST_CASE("a flood of mistakes is cut and huge names are abridged") {
  const TempFolder temp;
  std::string text = "{\"" + std::string(1 << 20, 'x') + "\": 1";
  for (int i = 0; i < 20'000; ++i) text += ", \"unknown" + std::to_string(i) + "\": 0";
  const Error error = error_of(temp.write("flood.json", text + "}"));
  CHECK(error.problems().size() == 101);
  CHECK(error.problems().back().message == "and 19903 more mistakes");
  CHECK(error.problems()[1].message.size() < 200);
}

}  // namespace
}  // namespace detent
