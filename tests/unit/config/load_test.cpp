// SPDX-License-Identifier: Apache-2.0
#include <detent/abi/base.h>
#include <string>

#include "config/config.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace detent {
namespace {

using test::TempFolder;

constexpr const char* kFull = R"({
  // every key there is
  "$schema": "pipeline.schema.json",
  "version": 1,
  "model":   { "path": "model.safetensors", "types": { "bn*": "BatchNorm2d", "*": "Linear" } },
  "plugins": { "search": ["plugins", "/opt/plugins"],
               "pin": { "acme.int3": "sha256:00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF" } },
  "calibration": { "data": ["a.safetensors", "/data/b.safetensors"], "samples": 99, "batch_size": 8, "clip_warning": 0.25 },
  "rules": [
    { "match": { "name": ["lm_head", "re:.*embed.*"], "dtype": "F32" }, "keep": true },
    { "match": { "type": "Linear", "min_params": 512, "max_params": 4096 },
      "exclude": [{ "name": "fc*" }, { "dtype": ["BF16", "F16"] }],
      "weight":     { "observer": "minmax", "quantizer": "int4_groupwise", "params": { "group_size": 64 } },
      "activation": { "observer": { "id": "histogram", "params": { "bins": 512 } },
                      "quantizer": { "id": "int8" }, "observe": "both" } },
  ],
  "modules_to_not_convert": ["classifier"],
  "outputs":    [ { "serializer": { "id": "safetensors", "params": { "x": 1 } }, "path": "out/m.safetensors" } ],
  "validation": { "validators": ["sqnr", { "id": "size", "params": {} }], "on_failure": "warn" },
  "report":     { "path": "out" },
  "runtime":    { "threads": 4, "isolation": "process", "plugin_timeout": 9, "plugin_memory": 11, "on_plugin_failure": "skip_layer", "model_threads": 3, "model_timeout": 30, "seed": 7 },
  "provenance": "sha256",
})";

constexpr const char* kMinimal =
    R"({"model":{"path":"m.safetensors"},"outputs":[{"serializer":"s","path":"o"}]})";

TEST_CASE("every key of the file arrives in its type") {
  const TempFolder temp;
  const Config c = load_config(temp.write("p.json", kFull), {});
  CHECK(c.model_path == temp / "model.safetensors");
  REQUIRE(c.model_options.types.size() == 2);
  CHECK(c.model_options.types[0] == std::pair<std::string, std::string>("bn*", "BatchNorm2d"));
  REQUIRE(c.plugin_search.size() == 2);
  CHECK(c.plugin_search[0] == temp / "plugins");
  CHECK(c.plugin_search[1] == "/opt/plugins");
  REQUIRE(c.pins.size() == 1);
  CHECK(c.pins[0].first == "acme.int3");
  CHECK(c.pins[0].second == "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
  CHECK(c.has_calibration);
  REQUIRE(c.calibration_data.size() == 2);
  CHECK(c.calibration_data[0] == temp / "a.safetensors");
  CHECK(c.calibration_data[1] == "/data/b.safetensors");
  CHECK(c.calibration_samples == 99);
  CHECK(c.calibration_batch_size == 8);
  CHECK(c.clip_warning == 0.25);
  CHECK(c.model_threads == 3);
  CHECK(c.model_timeout == 30);
  REQUIRE(c.modules_to_not_convert.size() == 1);
  CHECK(c.modules_to_not_convert[0].text == "classifier");
  CHECK(c.modules_to_not_convert[0].pointer == "/modules_to_not_convert/0");
  REQUIRE(c.outputs.size() == 1);
  CHECK(c.outputs[0].path == temp / "out/m.safetensors");
  CHECK(c.outputs[0].serializer.name == "safetensors");
  CHECK(c.outputs[0].serializer.params.contains("x"));
  REQUIRE(c.validators.size() == 2);
  CHECK(c.validators[1].name == "size");
  CHECK(c.on_failure == OnFailure::warn);
  CHECK(*c.report_path == temp / "out");
  CHECK(c.threads == 4);
  CHECK(c.isolation == "process");
  CHECK(c.plugin_timeout == 9);
  CHECK(c.plugin_memory == 11);
  CHECK(c.on_plugin_failure == OnPluginFailure::skip_layer);
  CHECK(c.seed == 7);
  CHECK(c.sha256_provenance);
}

TEST_CASE("rules arrive with their patterns plugins and places") {
  const TempFolder temp;
  const Config c = load_config(temp.write("p.json", kFull), {});
  REQUIRE(c.rules.size() == 2);
  CHECK(c.rules[0].keep);
  REQUIRE(c.rules[0].match.names.size() == 2);
  CHECK(c.rules[0].match.names[1].text == "re:.*embed.*");
  CHECK(c.rules[0].match.names[1].pointer == "/rules/0/match/name/1");
  CHECK(c.rules[0].match.names[1].position.line == 10);
  CHECK(c.rules[0].match.dtypes == std::vector<detent_dtype>{DETENT_F32});

  const Rule& rule = c.rules[1];
  CHECK(rule.pointer == "/rules/1");
  CHECK_FALSE(rule.keep);
  CHECK(rule.match.types[0].text == "Linear");
  CHECK(*rule.match.min_params == 512);
  CHECK(*rule.match.max_params == 4096);
  REQUIRE(rule.exclude.size() == 2);
  CHECK(rule.exclude[0].names[0].text == "fc*");
  CHECK(rule.exclude[1].dtypes == std::vector<detent_dtype>{DETENT_BF16, DETENT_F16});
  CHECK(rule.weight->observer->name == "minmax");
  CHECK(rule.weight->observer->params.empty());
  CHECK(rule.weight->quantizer.name == "int4_groupwise");
  CHECK(json::dump(rule.weight->quantizer.params) == R"({"group_size":64})");
  CHECK(rule.weight->quantizer.params_pointer == "/rules/1/weight/params");
  CHECK(json::dump(rule.activation->observer->params) == R"({"bins":512})");
  CHECK(rule.activation->observer->name_pointer == "/rules/1/activation/observer/id");
  CHECK(rule.activation->observer->params_pointer == "/rules/1/activation/observer/params");
  CHECK(rule.activation->quantizer.name == "int8");
}

TEST_CASE("what is left out has the documented default") {
  const TempFolder temp;
  const Config c = load_config(temp.write("p.json", kMinimal), {});
  CHECK_FALSE(c.has_calibration);
  CHECK(c.calibration_samples == 150);
  CHECK(c.calibration_batch_size == 1);
  CHECK(c.rules.empty());
  CHECK(c.validators.empty());
  CHECK(c.on_failure == OnFailure::error);
  CHECK_FALSE(c.report_path.has_value());
  CHECK(c.threads == 0);
  CHECK(c.isolation == "auto");
  CHECK(c.seed == 0);
  CHECK_FALSE(c.sha256_provenance);
  CHECK(c.plugin_search.empty());
  CHECK(c.pins.empty());
}

TEST_CASE("the defaults of calibration hold when only its data is given") {
  const TempFolder temp;
  const std::string text = R"({"model":{"path":"m"},"calibration":{"data":"c.safetensors"},
                               "outputs":[{"serializer":"s","path":"o"}]})";
  const Config c = load_config(temp.write("p.json", text), {});
  CHECK(c.has_calibration);
  CHECK(c.calibration_samples == 150);
  CHECK(c.calibration_batch_size == 1);
}

TEST_CASE("a rule without match is for everything") {
  const TempFolder temp;
  const std::string text = R"({"model":{"path":"m"},"rules":[{"weight":{"quantizer":"q"}}],
                               "outputs":[{"serializer":"s","path":"o"}]})";
  const Config c = load_config(temp.write("p.json", text), {});
  REQUIRE(c.rules.size() == 1);
  CHECK(c.rules[0].match.names.empty());
  CHECK_FALSE(c.rules[0].weight->observer.has_value());
}

TEST_CASE("a byte order mark changes nothing and whole numbers may have a fraction of zero") {
  const TempFolder temp;
  const std::string text = std::string("\xEF\xBB\xBF") +
                           R"({"model":{"path":"m"},"runtime":{"threads":2.0},"bad":1,
                               "outputs":[{"serializer":"s","path":"o"}]})";
  try {
    load_config(temp.write("p.json", text), {});
    FAIL("accepted");
  } catch (const Error& e) {
    REQUIRE(e.problems().size() == 1);
    CHECK(e.problems()[0].where.pointer == "/bad");
    CHECK(e.problems()[0].where.column == 49);
  }
}

}  // namespace
}  // namespace detent
