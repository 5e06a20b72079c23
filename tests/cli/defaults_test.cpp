// SPDX-License-Identifier: Apache-2.0
// The defaults that users rely on: a golden file of them, and those of the Python project
// that the program takes over, by value.
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"

namespace detent::test {
namespace {

// Names the plugins that serve what the Python project promises, and gives no parameter.
constexpr const char* kPipeline = R"({
  "model": {"path": "model.pt"},
  "calibration": {"data": "calibration.safetensors"},
  "rules": [
    {"weight": {"observer": "minmax", "quantizer": "int8"},
     "activation": {"observer": "ema", "quantizer": "int8"}},
    {"weight": {"observer": "histogram", "quantizer": "int4_groupwise"}},
    {"weight": {"quantizer": "fp16"}}
  ],
  "outputs": [{"serializer": "safetensors", "path": "out.safetensors"},
              {"serializer": "state_dict", "path": "out.pth"},
              {"serializer": "torchscript", "path": "out.pt"}],
  "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip", "accuracy"]}
})";

json::Value effective(const std::vector<std::string>& more = {}) {
  const TempFolder folder;
  write_file(folder / "p.json", kPipeline);
  std::vector<std::string> words = {"config", "check", (folder / "p.json").string(), "--json"};
  words.insert(words.end(), more.begin(), more.end());
  const Outcome outcome = run_detent(words);
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return at(json::parse(outcome.out), "/config");
}

}  // namespace

TEST_CASE("the defaults are those of the golden file", "[cli][defaults]") {
  CHECK(json::dump(at(effective(), "/value"), 2) + "\n" ==
        read_file(std::string(DETENT_TEST_DATA) + "/defaults.json"));
}

TEST_CASE("the defaults of the Python project hold", "[cli][defaults]") {
  const json::Value all = effective();
  const std::string weight = "/value/rules/0/weight/quantizer/params/";
  const std::string activation = "/value/rules/0/activation/quantizer/params/";
  const std::string int4 = "/value/rules/1/weight/quantizer/params/";
  const std::string sqnr = "/value/validation/validators/0/params/";
  const std::vector<std::pair<std::string, std::string>> expected = {
      {weight + "dtype", R"("int8")"},
      {weight + "symmetric", "true"},
      {weight + "granularity", R"("per_channel")"},
      {weight + "axis", "0"},
      {activation + "symmetric", "false"},
      {activation + "granularity", R"("per_tensor")"},
      {int4 + "group_size", "128"},
      {int4 + "symmetric", "true"},
      {int4 + "default_skip", "true"},
      {"/value/rules/0/activation/observer/params/averaging_constant", "0.01"},
      {"/value/rules/1/weight/observer/params/bins", "2048"},
      {"/value/rules/1/weight/observer/params/method", R"("kl")"},
      {"/value/calibration/samples", "150"},
      {sqnr + "critical_db", "10"},
      {sqnr + "warn_db", "20"},
      {"/value/validation/on_failure", R"("error")"},
  };
  for (const auto& [pointer, value] : expected) {
    CAPTURE(pointer);
    const json::Value& found = at(all, pointer);
    double wanted = 0;
    double number = 0;
    if (json::parse(value).to_double(&wanted)) {
      CHECK(found.to_double(&number));
      CHECK(number == wanted);
    } else {
      CHECK(found == json::parse(value));
    }
    const std::string origin = text(all, "/origins" + json::pointer_step(pointer.substr(6)));
    CHECK((origin == "default" || origin == "plugin default"));
  }
}

TEST_CASE("an option goes before the file, and the file before the default", "[cli][defaults]") {
  const auto with = [](const char* pointer, std::vector<std::string> more) {
    const json::Value all = effective(more);
    return std::pair(json::dump(at(all, "/value" + std::string(pointer))),
                     text(all, "/origins" + json::pointer_step(pointer)));
  };
  const char* samples = "/calibration/samples";
  CHECK(with(samples, {}) == std::pair<std::string, std::string>("150", "default"));
  CHECK(with(samples, {"--set", "/calibration/samples=7"}) ==
        std::pair<std::string, std::string>("7", "--set"));
  const auto id = with("/rules/0/weight/observer/id", {});
  CHECK(id.first == R"("minmax")");
  CHECK(id.second.find("p.json:5:") != std::string::npos);
  CHECK(with("/rules/0/weight/observer/id", {"--set", "/rules/0/weight/observer=ema"}) ==
        std::pair<std::string, std::string>(R"("ema")", "--set"));
}

}  // namespace detent::test
