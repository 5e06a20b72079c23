// SPDX-License-Identifier: Apache-2.0
#include "evaluate/simulate.hpp"

#include "built_in.hpp"
#include "config/schema.hpp"
#include "outputs.hpp"
#include "support/catch.hpp"
#include "support/fake_program.hpp"

using namespace detent;
using namespace detent::test;

namespace {

FakeProgram program() {
  return FakeProgram({{.weight = "fc.weight", .out = 1, .in = 2, .values = {1, -0.5F}}});
}

const TensorInfo& info() {
  static const TensorInfo i{.name = "fc.weight",
                            .dtype = DETENT_F32,
                            .shape = {1, 2},
                            .layer = "fc",
                            .type = "Linear",
                            .param = "weight"};
  return i;
}

// int8, symmetric, per channel: the codes 127 and -64 (63.5 goes to even) of scale 1/127.
struct Quantized {
  Quantized() {
    scheme.quantizer.plugin = &built_in(PluginKind::quantizer, "int8");
    scheme.quantizer.params = with_defaults({}, scheme.quantizer.plugin->params_schema, "weight");
    plan.scheme = &scheme;
    plan.quantize = true;
    Quantizer quantizer = make_quantizer(scheme, "fc.weight", pool());
    quantizer.plan({"fc.weight", DETENT_F32, {1, 2}, "fc", "Linear", "weight", 2});
    quantizer.quantize(floats({1, 2}, {1, -0.5F})->read_only(), TensorStore{}, stored);
  }
  TensorScheme scheme;
  TensorPlan plan;
  TensorStore stored;
};

float simulated_output(FakeProgram& p, const std::vector<float>& x) {
  const Outputs y = p.run_simulated(FakeInput("input", {1, 2}, x).inputs());
  float value = 0;
  std::memcpy(&value, y[0]->bytes().data(), sizeof value);
  return value;
}

}  // namespace

TEST_CASE("the simulation has the values that the stored codes mean") {
  FakeProgram p = program();
  const Quantized q;
  simulate_tensor(p, q.plan, info(), &q.stored, {}, pool());
  CHECK(simulated_output(p, {1, 0}) == 1);
  CHECK(simulated_output(p, {0, 1}) == Approx(-64.0 / 127));
}

TEST_CASE("activations are simulated with the calibrated parameters, on kept weights too") {
  ActivationParams steps_of_four;
  steps_of_four.target.spec.qmin = -128;
  steps_of_four.target.spec.qmax = 127;
  steps_of_four.scale = {4};
  steps_of_four.zero_point = {0};
  SidesOf sides;
  sides["fc.weight"].input = steps_of_four;

  FakeProgram p = program();
  simulate_tensor(p, {}, info(), nullptr, sides, pool());
  CHECK(simulated_output(p, {5, 0}) == 4);
  CHECK(simulated_output(p, {7, 0}) == 8);

  FakeProgram both = program();
  const Quantized q;
  simulate_tensor(both, q.plan, info(), &q.stored, sides, pool());
  CHECK(simulated_output(both, {0, 5}) == Approx(-4 * 64.0 / 127));
}

TEST_CASE("the calibrated parameters go to the sides of their own weight") {
  Plan plan;
  plan.activations.resize(3);
  plan.activations[0].weight = "a";
  plan.activations[1].weight = "a";
  plan.activations[1].side = Side::output;
  plan.activations[2].weight = "b";
  Calibration calibration;
  calibration.sites.resize(3);
  for (std::size_t i = 0; i < 3; ++i) calibration.sites[i].params.scale = {static_cast<float>(i)};
  const SidesOf sides = sides_of(plan, calibration);
  REQUIRE(sides.size() == 2);
  CHECK(sides.at("a").input->scale.at(0) == 0);
  CHECK(sides.at("a").output->scale.at(0) == 1);
  CHECK(sides.at("b").input->scale.at(0) == 2);
  CHECK_FALSE(sides.at("b").output.has_value());
}

TEST_CASE("a kept tensor with activations in floating point stays out of the simulation") {
  class Refusing : public FakeProgram {
   public:
    using FakeProgram::FakeProgram;
    void simulate(std::span<const SimulatedWeight>) override { FAIL("nothing to simulate"); }
  };
  Refusing p({{.weight = "fc.weight", .out = 1, .in = 2, .values = {1, -0.5F}}});
  SidesOf other;
  other["another.weight"].input = ActivationParams{};
  simulate_tensor(p, {}, info(), nullptr, other, pool());
}
