// SPDX-License-Identifier: Apache-2.0
// Which activations a plan quantizes, and what it says of the others.
#include <algorithm>

#include "report/report.hpp"
#include "support/calibration_job.hpp"
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/refusal.hpp"

namespace detent::test {
namespace {

constexpr const char* kStatic = R"({"observer": "minmax", "quantizer": "int8"})";

// A model of these tensors and a program that uses them so; nothing runs.
struct Case {
  Case(const std::vector<TinyTensor>& tensors, ProgramFacts facts,
       const std::string& rule = R"({"weight": {"quantizer": "int8"},
                                     "activation": {"observer": "minmax", "quantizer": "int8"}})")
      : registry(Registry::scan({{DETENT_TEST_PLUGINS, "test", true}})),
        program(std::move(facts), {}) {
    test::write_safetensors(folder / "m.safetensors", tensors);
    write_file(folder / "p.json", R"({"model": {"path": "m.safetensors"}, "rules": [)" + rule +
                                      R"(], "calibration": {"data": "c.safetensors"},
                                     "outputs": [{"serializer": "safetensors", "path": "o.safetensors"}]})");
    config = load_config(folder / "p.json", {});
    check_plugins(config, registry);
    model = std::make_unique<ProgramModel>(folder / "m.safetensors");
  }
  Plan plan() { return make_plan(config, *model, &program, pool); }

  TempFolder folder;
  Registry registry;
  Config config;
  std::unique_ptr<Model> model;
  FunctionProgram program;
  ThreadPool pool{1};
};

ProgramFacts uses(std::vector<WeightUse> list, std::map<std::string, std::string> others = {}) {
  ProgramFacts facts;
  facts.uses = std::move(list);
  facts.other_readers = std::move(others);
  return facts;
}

std::size_t warnings_of(const Plan& plan, const std::string& code) {
  return static_cast<std::size_t>(std::count_if(plan.warnings.begin(), plan.warnings.end(),
                                                [&](const Warning& w) { return w.code == code; }));
}

}  // namespace

TEST_CASE("a rule with an observer plans the inputs of the layers that it selects") {
  CalibrationJob job(kStatic);
  const Plan plan = job.plan();
  REQUIRE(plan.activations.size() == 2);
  const ActivationPlan& a = plan.activations[0];
  CHECK(a.weight == "fc1.weight");
  CHECK(a.site == "fc1");
  CHECK(a.layer == "fc1");
  CHECK(a.side == Side::input);
  CHECK(a.rule == 0);
  CHECK_FALSE(a.dynamic);
  CHECK(a.target.spec.symmetric == 0);  // activations are asymmetric per tensor by default
  CHECK(a.target.spec.granularity == DETENT_PER_TENSOR);
  CHECK(a.target.spec.qmin == -128);
  REQUIRE(a.stored.size() == 2);
  CHECK(a.stored[0].name == "fc1.input_scale");
  CHECK(a.stored[1].name == "fc1.input_zero_point");
  CHECK(plan.activations[1].site == "fc2");
  CHECK(plan.skipped_activations.empty());
  CHECK(plan.warnings.empty());
}

TEST_CASE("outputs are planned when the rule says so, and a symmetric one stores no zero point") {
  CalibrationJob job(R"({"observer": "minmax", "quantizer": "int8", "observe": "both",
                         "params": {"symmetric": true}})");
  const Plan plan = job.plan();
  REQUIRE(plan.activations.size() == 4);
  CHECK(plan.activations[1].side == Side::output);
  REQUIRE(plan.activations[1].stored.size() == 1);
  CHECK(plan.activations[1].stored[0].name == "fc1.output_scale");
  job.configure(R"({"observer": "minmax", "quantizer": "int8", "observe": "output"})");
  const Plan outputs = job.plan();
  REQUIRE(outputs.activations.size() == 2);
  CHECK(outputs.activations[0].side == Side::output);
}

TEST_CASE("an activation without an observer is dynamic: nothing is stored, no data are needed") {
  CalibrationJob job(R"({"quantizer": "int8"})");
  job.config.has_calibration = false;
  const Plan plan = job.plan();
  REQUIRE(plan.activations.size() == 2);
  CHECK(plan.activations[0].dynamic);
  CHECK(plan.activations[0].stored.empty());
}

TEST_CASE("an observer without calibration data is an error that says what to add") {
  CalibrationJob job(kStatic);
  job.config.has_calibration = false;
  const std::string text = refusal([&] { job.plan(); }, ErrorCode::config);
  CHECK(contains(text, "the file has no \"calibration\""));
  CHECK(contains(text, "\"data\""));
}

TEST_CASE("layers whose activations cannot be seen are skipped with the reason and a warning") {
  Case c({f32("embed.weight", {20, 16}, std::vector<float>(320)),
          f32("lstm.weight_ih_l0", {16, 4}, std::vector<float>(64)),
          f32("lstm.weight_hh_l0", {16, 4}, std::vector<float>(64)),
          f32("norm.weight_g", {4, 4}, std::vector<float>(16))},
         uses({{"embed.weight", "embedding", "forward"}},
              {{"lstm.weight_ih_l0", "aten::lstm"}, {"lstm.weight_hh_l0", "aten::lstm"}}));
  const Plan plan = c.plan();
  CHECK(plan.activations.empty());
  REQUIRE(plan.skipped_activations.size() == 3);
  CHECK(plan.skipped_activations[0].layer == "embed");
  CHECK(contains(plan.skipped_activations[0].reason, "indices"));
  CHECK(plan.skipped_activations[1].layer == "lstm");
  CHECK(contains(plan.skipped_activations[1].reason, "aten::lstm"));
  CHECK(plan.skipped_activations[2].layer == "norm");
  CHECK(warnings_of(plan, "activation_not_observed") == 3);
  // Its weights are quantized all the same.
  CHECK(std::any_of(plan.tensors.begin(), plan.tensors.end(), [](const TensorPlan& t) {
    return t.quantize && t.input.name == "lstm.weight_ih_l0";
  }));
}

TEST_CASE("the output of an embedding can be quantized, its input never") {
  Case c({f32("embed.weight", {20, 16}, std::vector<float>(320))},
         uses({{"embed.weight", "embedding", "forward"}}),
         R"({"activation": {"observer": "minmax", "quantizer": "int8", "observe": "both"}})");
  const Plan plan = c.plan();
  REQUIRE(plan.activations.size() == 1);
  CHECK(plan.activations[0].side == Side::output);
  CHECK(plan.skipped_activations.size() == 1);
}

TEST_CASE("a weight that several operators use has one pair of parameters") {
  Case c({f32("fc.weight", {4, 4}, std::vector<float>(16))},
         uses({{"fc.weight", "linear", "forward"}, {"fc.weight", "linear", "forward"}}));
  CHECK(c.plan().activations.size() == 1);
}

TEST_CASE("a weight without a module has the type of the operator that uses it") {
  Case c(
      {f32("w1", {4, 4}, std::vector<float>(16)), f32("w2", {4, 4, 3, 3}, std::vector<float>(144)),
       f32("scale", {4}, std::vector<float>(4))},
      uses({{"w1", "linear", "forward"}, {"w2", "conv2d", "forward"}}),
      R"({"match": {"type": "Linear"}, "weight": {"quantizer": "int8"},
             "activation": {"observer": "minmax", "quantizer": "int8"}})");
  const Plan plan = c.plan();
  const auto of = [&](const std::string& name) {
    return *std::find_if(plan.tensors.begin(), plan.tensors.end(),
                         [&](const TensorPlan& t) { return t.input.name == name; });
  };
  CHECK(of("w1").input.layer_type == "Linear");
  CHECK(of("w1").quantize);
  CHECK(of("w2").input.layer_type == "Conv2d");
  CHECK_FALSE(of("w2").quantize);
  CHECK_FALSE(of("scale").quantize);
  REQUIRE(plan.layers.size() == 1);  // all of them are the root's
  CHECK(plan.layers[0].type.empty());
  REQUIRE(plan.activations.size() == 1);
  CHECK(plan.activations[0].site == "w1");  // the layer could have several
  CHECK(plan.activations[0].stored[0].name == "w1_input_scale");
}

TEST_CASE("activations of a model that does not run are an error with the reason") {
  CalibrationJob job(kStatic);
  const auto weights = open_model(job.folder / "model.safetensors", {});
  const std::string text =
      refusal([&] { make_plan(job.config, *weights, nullptr, job.pool); }, ErrorCode::config);
  CHECK(contains(text,
                 "activations can only be observed in a model that runs (TorchScript); "
                 "model.safetensors holds weights only"));
}

TEST_CASE("a serializer that needs a program is refused by name where there is none") {
  CalibrationJob job(R"({"quantizer": "int8"})");
  job.config.rules[0].activation.reset();
  Plugin writer = *job.config.outputs[0].serializer.plugin;
  writer.id = "archives";
  writer.requirements = {"model:program/1"};
  job.config.outputs[0].serializer.plugin = &writer;
  const auto weights = open_model(job.folder / "model.safetensors", {});
  const std::string text =
      refusal([&] { make_plan(job.config, *weights, nullptr, job.pool); }, ErrorCode::config);
  CHECK(contains(text, "serializer \"archives\" writes models that run"));
  CHECK_NOTHROW(job.plan());
}

TEST_CASE("a tensor of the model that has the name of an activation's parameter is refused") {
  Case c({f32("fc.weight", {4, 4}, std::vector<float>(16)), f32("fc.input_scale", {1}, {1.0F})},
         uses({{"fc.weight", "linear", "forward"}}));
  CHECK(contains(refusal([&] { c.plan(); }, ErrorCode::config), "\"fc.input_scale\""));
}

TEST_CASE("the plan as JSON and as a table shows the activations") {
  CalibrationJob job(kStatic);
  const Plan plan = job.plan();
  const json::Value document = plan_to_json(plan, *job.model);
  const json::Value& first = at(document, "/activations/0");
  CHECK(text(first, "/layer") == "fc1");
  CHECK(text(first, "/site") == "fc1");
  CHECK(text(first, "/side") == "input");
  CHECK(text(first, "/observer") == "minmax");
  CHECK(text(first, "/quantizer") == "int8");
  CHECK(*at(first, "/dynamic").if_bool() == false);
  CHECK(list(document, "/skipped_activations").empty());
  CHECK(contains(plan_table(plan, *job.model), "input minmax"));
}

}  // namespace detent::test
