// SPDX-License-Identifier: Apache-2.0
// The JSON Schema of the pipeline file. That it accepts and refuses what the loader does is checked
// with an independent validator by check_schema.py.
#include <fstream>
#include <set>
#include <string>

#include "config/config.hpp"
#include "config/layout.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"

namespace detent {
namespace {

using json::Member;
using json::Value;

const Value& schema() {
  static const Value value =
      config_schema(Registry::scan({{DETENT_CONFIG_FIXTURES, "test", false}}));
  return value;
}

const Value& definition(std::string_view name) {
  const Value* v = schema().at_pointer("/$defs" + json::pointer_step(name));
  REQUIRE(v != nullptr);
  return *v;
}

void compare_keys(const Value& object_schema, const Layout& layout) {
  std::set<std::string> described;
  for (const Member& m : *object_schema.at_pointer("/properties")->if_object()) {
    CAPTURE(m.key);
    described.insert(m.key);
    CHECK(m.value.at_pointer("/title") != nullptr);
    CHECK(m.value.at_pointer("/description") != nullptr);
  }
  std::set<std::string> known;
  for (const Key& key : layout.keys) known.emplace(key.name);
  CHECK(described == known);
  CHECK(*object_schema.at_pointer("/additionalProperties") == Value(false));
  for (const Key& key : layout.keys) {
    if (key.layout != nullptr) compare_keys(definition(key.layout->name), *key.layout);
  }
}

TEST_CASE("the schema describes every key that the loader knows and no other") {
  compare_keys(schema(), pipeline_layout());
}

// The keys of the documented format, written down a second time.
TEST_CASE("the keys of the file are the documented ones") {
  const auto keys = [](const Value& object_schema) {
    std::string text;
    for (const Member& m : *object_schema.at_pointer("/properties")->if_object())
      text += (text.empty() ? "" : " ") + m.key;
    return text;
  };
  CHECK(keys(schema()) ==
        "$schema version model plugins calibration rules modules_to_not_convert outputs validation "
        "report runtime provenance");
  CHECK(keys(definition("match")) == "name type min_params max_params dtype");
  CHECK(keys(definition("rule")) == "match exclude keep weight activation");
  CHECK(keys(definition("scheme")) == "observer quantizer params");
  CHECK(keys(definition("activation_scheme")) == "observer quantizer params observe");
  CHECK(keys(definition("calibration")) == "data samples batch_size clip_warning");
  CHECK(keys(definition("runtime")) == "threads isolation plugin_timeout plugin_memory on_plugin_failure model_threads model_timeout memory_limit seed");
}

TEST_CASE("every reference of the schema leads somewhere") {
  std::size_t references = 0;
  const auto visit = [&](const auto& self, const Value& v) -> void {
    if (const json::Array* array = v.if_array()) {
      for (const Value& item : *array) self(self, item);
    }
    const json::Object* object = v.if_object();
    if (object == nullptr) return;
    for (const Member& m : *object) {
      self(self, m.value);
      if (m.key != "$ref") continue;
      ++references;
      CAPTURE(*m.value.if_string());
      CHECK(schema().at_pointer(m.value.if_string()->substr(1)) != nullptr);
    }
  };
  visit(visit, schema());
  CHECK(references > 20);
}

TEST_CASE("the parameters of every installed plugin are in the schema") {
  const Value& params = definition("quantizer_fixture_groups_params");
  CHECK(*params.at_pointer("/properties/group_size/minimum") == Value(1));
  CHECK(params.at_pointer("/$schema") == nullptr);
  // A schema that leaves additionalProperties out is closed for the loader, so it is here.
  CHECK(*definition("observer_fixture.bins_params").at_pointer("/additionalProperties") ==
        Value(false));
  CHECK(json::dump(*definition("observer_name").at_pointer("/anyOf/0/enum")) ==
        R"(["fixture.plain","simple","ShortName","fixture.bins","fixture.average","auto"])");
}

TEST_CASE("a host without plugins has a schema too") {
  const Value empty = config_schema(Registry());
  CHECK(empty.at_pointer("/$defs/quantizer") != nullptr);
}

}  // namespace
}  // namespace detent
