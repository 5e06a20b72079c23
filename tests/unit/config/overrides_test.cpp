// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "config/config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

using test::TempFolder;
using Overrides = std::vector<ConfigOverride>;

constexpr const char* kFile = R"({
  "model": {"path": "m.safetensors"},
  "rules": [{"match": {"name": "fc1"}, "keep": true}],
  "outputs": [{"serializer": "s", "path": "o"}]
})";

Config load(const Overrides& overrides) {
  const TempFolder temp;
  return load_config(temp.write("p.json", kFile), overrides);
}

std::string message(const Overrides& overrides) {
  try {
    load(overrides);
    return "accepted";
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::config);
    return e.what();
  }
}

TEST_CASE("an override wins over the file and the later over the earlier") {
  CHECK(load({{"/runtime/threads", "3"}}).threads == 3);
  CHECK(load({{"/runtime/threads", "3"}, {"/runtime/threads", "5"}}).threads == 5);
  CHECK(load({{"/runtime", R"({"threads": 3})"}, {"/runtime/seed", "9"}}).seed == 9);
  CHECK(load({{"/provenance", "sha256"}}).sha256_provenance);
  CHECK(load({{"/provenance", "\"sha256\""}}).sha256_provenance);
}

TEST_CASE("lists take an index they have or the next one") {
  const std::string rule = R"({"weight": {"quantizer": "q"}})";
  CHECK(load({{"/rules/0/match/name", "fc2"}}).rules[0].match.names[0].text == "fc2");
  CHECK(load({{"/rules/1", rule}}).rules.size() == 2);
  CHECK(load({{"/rules/-", rule}, {"/rules/-", rule}}).rules.size() == 3);
  CHECK(load({{"/rules/1/weight/quantizer", "q"}}).rules[1].weight->quantizer.name == "q");
  CHECK(message({{"/rules/2", rule}}) ==
        "--set /rules/2: /rules has 1 items: there is no index 2\nhint: use 1 to append");
  CHECK(message({{"/rules/first", rule}}) ==
        "--set /rules/first: /rules is a list: \"first\" is no index");
  CHECK(message({{"/rules/00", rule}}) == "--set /rules/00: /rules is a list: \"00\" is no index");
}

TEST_CASE("escapes of pointers are resolved") {
  const Config c = load({{"/model/types/a~1b~0c", "Linear"}});
  REQUIRE(c.model_options.types.size() == 1);
  CHECK(c.model_options.types[0].first == "a/b~c");
  CHECK(message({{"/model/types/a~b", "x"}}).find("'~' stands alone") != std::string::npos);
}

TEST_CASE("a pointer that leads nowhere names the override") {
  CHECK(message({{"runtime/threads", "1"}}) ==
        "--set runtime/threads: not a JSON pointer\nhint: it starts with a slash: --set "
        "/runtime/threads=4");
  CHECK(message({{"", "1"}}).find("not a JSON pointer") != std::string::npos);
  CHECK(message({{"/model/path/x", "1"}}) ==
        "--set /model/path/x: /model/path is a string, which has no member \"x\"");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "/a";
  CHECK(message({{deep, "1"}}).find("more than 32 levels") != std::string::npos);
}

TEST_CASE("a mistake in an overriding value is placed in the override") {
  CHECK(message({{"/runtime/threads", "many"}}) ==
        "--set /runtime/threads: /runtime/threads: expected an integer, found the string \"many\"");
  CHECK(message({{"/runtime", R"({"threads": 1,  "sead": 2})"}}) ==
        "--set /runtime:1:17: /runtime/sead: unknown key \"sead\"\nhint: did you mean \"seed\"? "
        "allowed here: threads, isolation, plugin_timeout, plugin_memory, on_plugin_failure, "
        "model_threads, model_timeout, memory_limit, seed");
  CHECK(message({{"/runtme/threads", "1"}}).find("--set /runtme/threads: /runtme: unknown key") ==
        0);
}

TEST_CASE("a mistake is placed in the latest override that gave the value") {
  const std::string text =
      message({{"/runtime", R"({"threads": "a", "seed": 1})"}, {"/runtime/seed", "-1"}});
  CHECK(text.find("--set /runtime:1:13: /runtime/threads: ") == 0);
  CHECK(text.find("--set /runtime/seed: /runtime/seed: -1 is less") != std::string::npos);
}

TEST_CASE("text that begins like JSON and is none is an error, a bare word is a string") {
  CHECK(message({{"/runtime", R"({"threads": })"}}).find("--set /runtime:1:13: not valid JSON") ==
        0);
  CHECK(message({{"/runtime", R"({"seed":1,"seed":2})"}}).find("duplicate key") !=
        std::string::npos);
  CHECK(load({{"/model/path", "my model.safetensors"}}).model_path.filename() ==
        "my model.safetensors");
  CHECK(load({{"/model/path", "/a//b"}}).model_path == "/a//b");
  CHECK(message({{"/model/path", ""}}).find("an empty string") != std::string::npos);
}

TEST_CASE("all overrides that fail are reported with the mistakes of the file") {
  const std::string text =
      message({{"/nowhere", "1"}, {"bad", "1"}, {"/rules/9", "1"}, {"/runtime/threads", "-1"}});
  CHECK(text.find("/nowhere: unknown key") != std::string::npos);
  CHECK(text.find("--set bad: not a JSON pointer") != std::string::npos);
  CHECK(text.find("--set /rules/9: ") != std::string::npos);
  CHECK(text.find("-1 is less than 0, the smallest allowed") != std::string::npos);
}

}  // namespace
}  // namespace detent
