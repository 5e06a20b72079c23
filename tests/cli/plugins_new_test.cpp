// SPDX-License-Identifier: Apache-2.0
// What `plugins new` writes, says and refuses; that the projects build is in
// tests/sdk/new_projects.sh.
#include <algorithm>
#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"

namespace detent::test {
namespace {

Outcome make(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"plugins", "new"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_detent(all);
}

}  // namespace

TEST_CASE("plugins new writes a project of the name, id and vendor that are given",
          "[cli][plugins]") {
  const TempFolder temp;
  for (const std::string lang : {"c++", "c"})
    for (const std::string kind : {"observer", "quantizer", "serializer", "validator"}) {
      CAPTURE(lang, kind);
      const std::string folder = (temp / (kind + lang)).string();
      const Outcome made = make({kind, "widget", "--lang", lang, "--id", "com.acme.widget",
                                 "--vendor", "Acme & Sons", "--folder", folder, "--json"});
      REQUIRE(made.exit_code == 0);
      const json::Value said = json::parse(made.out);
      CHECK(text(said, "/kind") == kind);
      CHECK(text(said, "/id") == "com.acme.widget");
      CHECK_FALSE(list(said, "/next").empty());
      for (const json::Value& file : list(said, "/files")) {
        const std::string content = read_file(temp / (kind + lang) / *file.if_string());
        CAPTURE(*file.if_string());
        CHECK_FALSE(content.empty());
        for (const char* word : {"@NAME@", "@ID@", "@VENDOR@", "@KIND@", "@DETENT@", "@SOURCE@",
                                 "@NEEDS@", "@LANGUAGE@", "@BESIDE@"})
          CHECK(content.find(word) == std::string::npos);
      }
      const std::string source =
          read_file(temp / (kind + lang) / "src" / (lang == "c" ? "widget.c" : "widget.cpp"));
      CHECK(source.find("\"com.acme.widget\"") != std::string::npos);
      CHECK(source.find("\"Acme & Sons\"") != std::string::npos);
    }
}

TEST_CASE("plugins new takes the layer for Rust with it", "[cli][plugins]") {
  const TempFolder temp;
  const std::string folder = (temp / "r").string();
  REQUIRE(make({"quantizer", "widget", "--lang", "rust", "--folder", folder}).exit_code == 0);
  const std::vector<std::string> names = temp.names();
  for (const char* name :
       {"r/Cargo.toml", "r/src/lib.rs", "r/detent/src/abi.rs", "r/detent/Cargo.toml"})
    CHECK(std::find(names.begin(), names.end(), name) != names.end());
  CHECK(read_file(temp / "r/src/lib.rs").find("\"org.example.widget\"") != std::string::npos);
}

TEST_CASE("plugins new prints the commands to go on with", "[cli][plugins]") {
  const TempFolder temp;
  const Outcome made = make({"observer", "demo", "--folder", (temp / "demo").string()});
  CHECK(made.exit_code == 0);
  for (const char* part : {"pipeline.json", "cmake --build", "ctest --test-dir"})
    CHECK(made.out.find(part) != std::string::npos);
}

TEST_CASE("plugins new overwrites nothing", "[cli][plugins]") {
  const TempFolder temp;
  write_file(temp / "notes.txt", "mine");
  const Outcome refused = make({"observer", "demo", "--folder", temp.path().string()});
  CHECK(refused.exit_code == 5);
  CHECK(refused.err.find("not empty") != std::string::npos);
  CHECK(temp.names() == std::vector<std::string>{"notes.txt"});
  CHECK(make({"observer", "demo", "--folder", (temp / "notes.txt").string()}).exit_code == 5);
  REQUIRE(::mkdir((temp / "empty").c_str(), 0755) == 0);
  CHECK(make({"observer", "demo", "--folder", (temp / "empty").string()}).exit_code == 0);
}

TEST_CASE("plugins new refuses names that would not work, and says what would", "[cli][plugins]") {
  const TempFolder temp;
  const std::string folder = (temp / "never").string();
  const auto refuses = [&](std::vector<std::string> arguments, const std::string& hint) {
    arguments.insert(arguments.end(), {"--folder", folder});
    const Outcome refused = make(arguments);
    CAPTURE(arguments, refused.err);
    CHECK(refused.exit_code == 2);
    CHECK(refused.err.find(hint) != std::string::npos);
  };
  refuses({"observr", "demo"}, "did you mean \"observer\"?");
  refuses({"observer", "demo", "--lang", "rus"}, "did you mean \"rust\"?");
  refuses({"serializer", "demo", "--lang", "rust"}, "--lang c++");
  for (const char* name : {"Demo", "1demo", "de-mo", "de mo", "../demo", "demo.x", "_demo"})
    refuses({"observer", name}, "beginning with a letter");
  refuses({"observer", "test"}, "my_test");
  refuses({"observer", "detent"}, "my_detent");
  refuses({"observer", std::string(65, 'a')}, "at most 64");
  for (const char* id :
       {"demo", "com.acme.Demo", ".acme.demo", "com..demo", "com.acme.demo\"", "com.acme."})
    refuses({"observer", "demo", "--id", id}, "with a domain of yours in front");
  for (const char* vendor : {"A\"B", "A\\B", "A@NAME@", "A\nB"})
    refuses({"observer", "demo", "--vendor", vendor}, "no quote");
  CHECK(temp.names().empty());
}

}  // namespace detent::test
