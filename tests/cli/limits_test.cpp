// SPDX-License-Identifier: Apache-2.0
// What plugins declare that they can handle is held against the plan, before any data are read.
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

const std::string kPlugins = std::string("DETENT_PLUGIN_PATH=") + DETENT_CLI_FIXTURES;

// The plan of one weight of 16 x 512 and its bias.
Outcome plan_of(const std::string& weight, const std::string& dtype = "F32") {
  const TempFolder folder;
  const std::size_t size = dtype == "F64" ? 8 : dtype == "F32" ? 4 : 2;
  write_safetensors(folder / "model.safetensors",
                    {{"fc.weight", dtype, {16, 512}, std::string(16 * 512 * size, '\0')},
                     {"fc.bias", dtype, {16}, std::string(16 * size, '\0')}});
  write_file(
      folder / "p.json",
      R"({"model": {"path": "model.safetensors"}, "rules": [{"weight": )" + weight +
          R"(}], "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}]})");
  return run_detent({"plan", (folder / "p.json").string(), "--json"}, {kPlugins});
}

std::string groups_of(int size, const char* more = "") {
  return R"({"observer": "fixture.blocky", "quantizer": "int4_groupwise", "params": {"group_size": )" +
         std::to_string(size) + more + "}}";
}

void check_refused(const Outcome& outcome, int exit_code, const std::string& message,
                   const std::string& hint) {
  CHECK(outcome.exit_code == exit_code);
  const json::Value error = json::parse(outcome.out);
  CHECK(text(error, "/error/message").find(message) != std::string::npos);
  CHECK(text(error, "/error/hint").find(hint) != std::string::npos);
  INFO(outcome.err);
  CHECK(exit_code != 0);
}

}  // namespace

TEST_CASE("a group size beyond an observer is refused with the nearest that it takes",
          "[cli][limits]") {
  CHECK(plan_of(groups_of(64)).exit_code == 0);
  const std::string owner = "observer \"fixture.blocky\"";
  check_refused(plan_of(groups_of(16)), 2,
                "\"fc.weight\": 16 is less than 32, the smallest group_size of " + owner,
                "detent plugins show");
  check_refused(plan_of(groups_of(100)), 2,
                "group_size of " + owner + " must be a multiple of 32, found 100",
                "the nearest that is allowed is 96");
  check_refused(plan_of(groups_of(512)), 2,
                "512 is more than 256, the largest group_size of " + owner, "detent plugins show");
}

TEST_CASE("symmetry and granularity beyond an observer are refused", "[cli][limits]") {
  check_refused(plan_of(groups_of(64, R"(, "symmetric": false)")), 2,
                "false is not allowed for symmetric of observer \"fixture.blocky\": expected true",
                "detent plugins show fixture.blocky");
  check_refused(plan_of(R"({"observer": "fixture.blocky", "quantizer": "int8"})"), 2,
                "\"per_channel\" is not allowed for granularity of observer \"fixture.blocky\"",
                "detent plugins show fixture.blocky");
}

TEST_CASE("an element type beyond an observer or a quantizer is refused", "[cli][limits]") {
  check_refused(plan_of(groups_of(64), "BF16"), 2,
                "\"BF16\" is not allowed for dtype of observer \"fixture.blocky\"", "F16");
  check_refused(plan_of(R"({"quantizer": "fixture.narrow"})", "F64"), 2,
                "\"F64\" is not allowed for dtype of quantizer \"fixture.narrow\"", "");
}

TEST_CASE("a shape beyond a quantizer keeps the tensor and says why", "[cli][limits]") {
  const Outcome outcome = plan_of(R"({"quantizer": "fixture.narrow"})");
  CHECK(outcome.exit_code == 0);
  const json::Value plan = json::parse(outcome.out);
  CHECK(text(item(plan, "/tensors", "name", "fc.weight"), "/action") == "quantize");
  const json::Value& bias = item(plan, "/tensors", "name", "fc.bias");
  CHECK(text(bias, "/action") == "keep");
  CHECK(text(bias, "/reason") ==
        "1 is not allowed for ndim of quantizer \"fixture.narrow\": expected 2");
}

TEST_CASE("a quantizer that plans beyond its own limits breaks its contract", "[cli][limits]") {
  check_refused(
      plan_of(R"({"quantizer": "fixture.narrow", "params": {"symmetric": false}})"), 6,
      "broke its contract: its plan for \"fc.weight\" goes beyond what it declares: false "
      "is not allowed for symmetric",
      "report it to its vendor");
}

TEST_CASE("a tensor beyond a serializer is refused before the work begins", "[cli][limits]") {
  const TempFolder folder;
  write_safetensors(folder / "model.safetensors", {{"e8", "F6_E2M3", {4}, std::string(3, '\0')},
                                                   random_f32("fc.weight", {8, 64}, 1)});
  write_file(folder / "p.json", R"({"model": {"path": "model.safetensors"},
    "rules": [{"weight": {"quantizer": "int8"}}],
    "outputs": [{"serializer": "state_dict", "path": "out/m.pt"}]})");
  check_refused(run_detent({"plan", (folder / "p.json").string(), "--json"}), 2,
                "\"e8\": \"F6_E2M3\" is not allowed for dtype of serializer \"state_dict\"", "");
}

TEST_CASE("plugins show prints what a plugin declares", "[cli][limits]") {
  const Outcome outcome = run_detent({"plugins", "show", "fixture.blocky"}, {kPlugins});
  CHECK(outcome.out.find("limits of the target") != std::string::npos);
  CHECK(outcome.out.find("multipleOf 32") != std::string::npos);
  const json::Value all =
      json::parse(run_detent({"plugins", "show", "fixture.blocky", "--json"}, {kPlugins}).out);
  CHECK(number(all, "/limits/target/properties/group_size/maximum") == 256);
}

}  // namespace detent::test
