// SPDX-License-Identifier: Apache-2.0
// check_plugins, with the plugins of fixtures/fixture.cpp.
#include <string>

#include "config/config.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

using test::TempFolder;

const Registry& fixtures() {
  static const Registry registry = Registry::scan({{DETENT_CONFIG_FIXTURES, "test", false}});
  return registry;
}

std::string file_with(const std::string& scheme) {
  return "{\"model\": {\"path\": \"m\"}, \"outputs\": [{\"serializer\": \"s\", \"path\": \"o\"}],\n"
         "\"rules\": [{\"weight\": " +
         scheme + ",\n\"activation\": " + scheme + "}]}";
}

// The rules alone: the fixtures have no serializer.
Config checked(const std::string& scheme, const std::vector<ConfigOverride>& overrides = {},
               const Registry& registry = fixtures()) {
  const TempFolder temp;
  Config config = load_config(temp.write("p.json", file_with(scheme)), overrides);
  config.file = "p.json";
  config.outputs.clear();
  check_plugins(config, registry);
  return config;
}

Error error_of(const std::string& scheme, const std::vector<ConfigOverride>& overrides = {},
               const Registry& registry = fixtures()) {
  try {
    checked(scheme, overrides, registry);
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::unexpected, "accepted");
}

std::string first_problem(const std::string& scheme) {
  return format_problem(error_of(scheme).problems()[0]);
}

TEST_CASE("the fixtures load") {
  CHECK(fixtures().plugins().size() == 4);
  CHECK(fixtures().problems().empty());
}

TEST_CASE("plugins are found by id or alias in any spelling") {
  for (const char* name :
       {"fixture.plain", "Fixture.Plain", "simple", "short_name", "SHORT-NAME"}) {
    CAPTURE(name);
    const Config c =
        checked(std::string(R"({"quantizer": "FixtureGroups", "observer": ")") + name + "\"}");
    REQUIRE(c.rules[0].weight->observer->plugin != nullptr);
    CHECK(c.rules[0].weight->observer->plugin->id == "fixture.plain");
    CHECK(c.rules[0].weight->quantizer.plugin->id == "fixture_groups");
    CHECK_FALSE(c.rules[0].weight->observer->chosen_by_auto);
  }
}

TEST_CASE("defaults follow the role of the tensor") {
  const Config c = checked(R"({"quantizer": "fixture_groups", "params": {"tail": "error"}})");
  CHECK(json::dump(c.rules[0].weight->quantizer.params) ==
        R"({"group_size":128,"symmetric":true,"tail":"error"})");
  CHECK(json::dump(c.rules[0].activation->quantizer.params) ==
        R"({"group_size":128,"symmetric":false,"tail":"error"})");
}

TEST_CASE("a parameter out of range is placed named and explained") {
  CHECK(first_problem(R"({"quantizer": "fixture_groups", "params": {"group_size": 0}})") ==
        "p.json:2:79: /rules/0/weight/params/group_size: 0 is less than 1, the smallest "
        "group_size of fixture_groups");
  CHECK(
      first_problem(R"({"quantizer": {"id": "fixture_groups", "params": {"group_size": "64"}}})") ==
      "p.json:2:86: /rules/0/weight/quantizer/params/group_size: expected an integer for "
      "group_size of fixture_groups, found the string \"64\"");
  CHECK(first_problem(R"({"quantizer": "fixture_groups", "params": {"groupsize": 64}})") ==
        "p.json:2:65: /rules/0/weight/params/groupsize: unknown parameter \"groupsize\" of "
        "fixture_groups\nhint: did you mean \"group_size\"? parameters: group_size, symmetric, "
        "tail");
  CHECK(first_problem(R"({"quantizer": "fixture_groups", "observer": "fixture.average"})") ==
        "p.json:2:66: /rules/0/weight/observer/params: \"constant\" is missing; fixture.average "
        "cannot do without it");
}

TEST_CASE("an unknown plugin is a mistake of the file") {
  const Error e = error_of(R"({"quantizer": "fixture_group"})");
  CHECK(e.code() == ErrorCode::config);
  REQUIRE(e.problems().size() == 2);  // weight and activation
  CHECK(e.problems()[0].message.find("unknown quantizer \"fixture_group\"") == 0);
  CHECK(e.problems()[0].hint.find("fixture_groups") != std::string::npos);
  CHECK(e.problems()[0].where.pointer == "/rules/0/weight/quantizer");
  CHECK(e.problems()[0].where.line == 2);
  CHECK(e.problems()[0].where.column == 36);
}

TEST_CASE("a plugin of another kind is said to be that") {
  CHECK(first_problem(R"({"quantizer": "fixture_groups", "observer": "fixture_groups"})") ==
        "p.json:2:66: /rules/0/weight/observer: \"fixture_groups\" is a quantizer; an observer "
        "belongs here\nhint: installed observers: fixture.average, fixture.bins, fixture.plain");
}

TEST_CASE("all mistakes about plugins are found at once") {
  const Error e = error_of(
      R"({"quantizer": {"id": "fixture_groups", "params": {"group_size": 0, "x": 1}},
          "observer": {"id": "nothing"}})");
  CHECK(e.problems().size() == 6);
  CHECK(e.code() == ErrorCode::config);
}

TEST_CASE("auto chooses the observer by the parameters given") {
  const auto chosen = [](const std::string& observer) {
    const Config c = checked(R"({"quantizer": "fixture_groups", "observer": )" + observer + "}");
    CHECK(c.rules[0].weight->observer->chosen_by_auto);
    return c.rules[0].weight->observer->plugin->id;
  };
  CHECK(chosen("\"auto\"") == "fixture.plain");
  CHECK(chosen("\"Auto\"") == "fixture.plain");
  CHECK(chosen(R"({"id": "auto", "params": {"bins": 64}})") == "fixture.bins");
  CHECK(chosen(R"({"id": "auto", "params": {"constant": 0.5}})") == "fixture.average");
  const Error both = error_of(
      R"({"quantizer": "fixture_groups",
          "observer": {"id": "auto", "params": {"bins": 64, "constant": 0.5}}})");
  CHECK(both.code() == ErrorCode::config);
  CHECK(both.problems()[0].where.pointer == "/rules/0/weight/observer/id");
  // What was chosen checks the parameters.
  CHECK(error_of(R"({"quantizer": "fixture_groups",
                     "observer": {"id": "auto", "params": {"bins": 1}}})")
            .problems()[0]
            .message == "1 is less than 2, the smallest bins of fixture.bins");
}

TEST_CASE("a library that was refused is a plugin error unless the file has mistakes too") {
  const TempFolder temp;
  temp.write("broken.detent.so", "not a library");
  const Registry registry =
      Registry::scan({{DETENT_CONFIG_FIXTURES, "test", false}, {temp.path(), "test", false}});
  const Error refused = error_of(R"({"quantizer": "broken"})", {}, registry);
  CHECK(refused.code() == ErrorCode::plugin);
  CHECK(refused.problems()[0].where.pointer == "/rules/0/weight/quantizer");
  const Error mixed = error_of(R"({"quantizer": "broken", "observer": "nothing"})", {}, registry);
  CHECK(mixed.code() == ErrorCode::config);
  CHECK(mixed.problems().size() == 4);
}

TEST_CASE("a mistake in an overriding parameter is placed in the override") {
  const Error e =
      error_of(R"({"quantizer": "fixture_groups"})", {{"/rules/0/weight/params/group_size", "-8"}});
  REQUIRE(e.problems().size() == 1);
  CHECK(format_problem(e.problems()[0]) ==
        "--set /rules/0/weight/params/group_size: /rules/0/weight/params/group_size: -8 is less "
        "than 1, the smallest group_size of fixture_groups");
}

TEST_CASE("the effective configuration has the plugins' defaults and says so") {
  const Config c = checked(R"({"quantizer": "FixtureGroups", "params": {"group_size": 64}})",
                           {{"/rules/0/weight/params/tail", "error"}});
  const json::Value effective = effective_config(c);
  const json::Value* quantizer = effective.at_pointer("/value/rules/0/weight/quantizer");
  REQUIRE(quantizer != nullptr);
  CHECK(json::dump(*quantizer) ==
        R"({"id":"fixture_groups","params":{"group_size":64,"symmetric":true,"tail":"error"}})");
  const json::Object& origins = *effective.at_pointer("/origins")->if_object();
  const std::string at = "/rules/0/weight/quantizer/params/";
  CHECK(*origins.find(at + "group_size")->if_string() == "p.json:2:78");
  CHECK(*origins.find(at + "symmetric")->if_string() == "plugin default");
  CHECK(*origins.find(at + "tail")->if_string() == "--set");
}

}  // namespace
}  // namespace detent
