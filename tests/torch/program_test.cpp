// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "support/catch.hpp"
#include "worker.hpp"

using namespace detent;
using test::counting;
using test::floats;
using test::linear;
using test::relu;
using test::tensor;

namespace {

const std::vector<float> kX = {1, 2, -1, 0.5F, -2, 0, 3, 1};  // two rows

std::vector<float> first_layer(const std::vector<float>& x) {
  return linear(x, counting(12, 0.25), counting(3, 0.25));
}
std::vector<float> second_layer(const std::vector<float>& x) {
  return linear(x, counting(6, 0.5), counting(2, 0.5));
}

NamedTensor named(const std::string& name, const test::Tensor& t) { return {name, t.view()}; }

bool has_use(const ProgramFacts& facts, const std::string& weight, const std::string& op,
             bool replaceable) {
  for (const WeightUse& u : facts.uses)
    if (u.weight == weight && u.op == op && u.replaceable == replaceable) return true;
  return false;
}

}  // namespace

TEST_CASE("A program tells its inputs, and which operators use which weight") {
  const auto program = test::open_model_file("mlp.pt");
  const ProgramFacts& facts = program->facts();
  REQUIRE(facts.inputs.size() == 1);
  CHECK(facts.inputs[0].name == "x");
  CHECK(facts.inputs[0].type == "Tensor");
  CHECK(has_use(facts, "fc1.weight", "linear", true));
  CHECK(has_use(facts, "fc2.weight", "linear", true));
  CHECK(facts.uses.size() == 3);  // fc1 in `first` too
  CHECK(facts.runtime.find("LibTorch 2.") == 0);
  CHECK(facts.isolation == "landlock+seccomp");
  CHECK(facts.not_editable.empty());
}

TEST_CASE("A weight that several operators use has a use for each, and other readers are named") {
  const auto program = test::open_model_file("shared.pt");
  const ProgramFacts& facts = program->facts();
  CHECK(has_use(facts, "table", "embedding", true));
  CHECK(has_use(facts, "table", "matmul", false));
  CHECK(has_use(facts, "table", "linear", false));
  CHECK(facts.other_readers.at("table") == "aten::sum");
  REQUIRE(facts.inputs.size() == 2);
  CHECK(facts.inputs[1].type == "int");
  CHECK(facts.inputs[1].has_default);
}

TEST_CASE("Running gives the program's output, and shows the activations that were asked for") {
  const auto program = test::open_model_file("mlp.pt");
  const auto x = tensor<float>({2, 4}, kX);
  std::vector<std::pair<std::string, std::vector<float>>> seen;
  const Watch watch{{"fc1.weight", "fc2.weight"},
                    {"fc2.weight"},
                    [&](const std::string& weight, Side side, const detent_tensor& t) {
                      seen.emplace_back(weight + " " + to_string(side), floats(t));
                    }};
  const NamedTensor input = named("x", x);
  const Outputs outputs = program->run({&input, 1}, &watch);
  const auto hidden = relu(first_layer(kX));
  REQUIRE(outputs.size() == 1);
  CHECK(outputs[0]->shape() == std::vector<std::int64_t>{2, 2});
  CHECK(floats(*outputs[0]) == second_layer(hidden));
  REQUIRE(seen.size() == 3);
  CHECK(seen[0] == std::pair(std::string("fc1.weight input"), kX));
  CHECK(seen[1] == std::pair(std::string("fc2.weight input"), hidden));
  CHECK(seen[2] == std::pair(std::string("fc2.weight output"), second_layer(hidden)));
}

TEST_CASE("An input of several operators is shown again to each, changed in place it is another") {
  const auto program = test::open_model_file("branches.pt");
  for (const std::int64_t rows : {2, 4000}) {  // few are sent, many go through shared memory
    std::vector<float> values(static_cast<std::size_t>(rows) * 8);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1000);
    const auto x = tensor<float>({rows, 8}, values);
    const NamedTensor input = named("x", x);
    std::vector<std::pair<std::string, bool>> seen;
    std::vector<std::vector<float>> found;
    const auto show = [&](bool again) {
      return [&, again](const std::string& weight, Side, const detent_tensor& t) {
        seen.emplace_back(weight, again);
        found.push_back(floats(t));
      };
    };
    const std::vector<std::string> all{"a.weight", "b.weight", "c.weight", "d.weight"};
    const Watch both{all, {}, show(false), show(true)};
    const Watch one{all, {}, show(false)};  // who does not ask is told everything
    for (int run = 0; run < 2; ++run) {     // the second begins as the first ended: with its zeros
      seen.clear();
      found.clear();
      program->run({&input, 1}, &both);
      const std::vector<std::pair<std::string, bool>> expected{
          {"a.weight", false}, {"b.weight", rows > 2}, {"c.weight", false}, {"d.weight", false}};
      CHECK(seen == expected);
      CHECK(found.at(0) == values);
      CHECK(found.at(1) == values);
      auto changed = values;
      changed[0] = 77;
      CHECK(found.at(2) == changed);
      CHECK(found.at(3) == std::vector<float>(values.size(), 0.0F));
    }
    found.clear();
    program->run({&input, 1}, &one);
    REQUIRE(found.size() == 4);
    CHECK(found.at(1) == values);
  }
  std::vector<float> zeros(32'000, 0.0F);
  const auto x = tensor<float>({4000, 8}, zeros);
  const NamedTensor input = named("x", x);
  int again = 0;
  const auto count = [&](const std::string&, Side, const detent_tensor&) { ++again; };
  const auto ignore = [](const std::string&, Side, const detent_tensor&) {};
  // What ended the run before is not what this one begins with.
  const Watch watch{{"a.weight"}, {}, ignore, count};
  program->run({&input, 1}, &watch);
  CHECK(again == 0);
}

TEST_CASE("The constants of a frozen program are observed under their numbers") {
  const auto program = test::open_model_file("frozen.pt");
  REQUIRE(program->facts().uses.size() == 2);
  const std::string first = program->facts().uses[0].weight;
  CHECK(first.find("constants.") == 0);
  CHECK(first.ends_with(".weight"));
  const auto x = tensor<float>({2, 4}, kX);
  std::vector<float> seen;
  const Watch watch{
      {first}, {}, [&](const std::string&, Side, const detent_tensor& t) { seen = floats(t); }};
  const NamedTensor input = named("input", x);  // the first argument, whatever its name
  program->run({&input, 1}, &watch);
  CHECK(seen == kX);
}

TEST_CASE("Tuples and dictionaries are taken apart, loops observed in each round") {
  const auto program = test::open_model_file("shared.pt");
  const auto ids = tensor<std::int64_t>({2}, {0, 4});
  const auto times = tensor<std::int64_t>({}, {3});
  int rounds = 0;
  const Watch watch{
      {"table"}, {}, [&](const std::string&, Side, const detent_tensor&) { ++rounds; }};
  const std::vector<NamedTensor> inputs{named("ids", ids), named("times", times)};
  const Outputs outputs = program->run(inputs, &watch);
  CHECK(rounds == 6);  // a product and a linear in each round; the indices are no activation
  REQUIRE(outputs.size() == 3);
  CHECK(outputs[2]->dtype() == DETENT_I64);
}

TEST_CASE(
    "Inputs that are missing, unknown or of a wrong shape are refused in the program's words") {
  const auto program = test::open_model_file("mlp.pt");
  const auto message = [&](const std::vector<NamedTensor>& inputs) {
    try {
      program->run(inputs);
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::quantization);
      return e.problems()[0].message;
    }
    return std::string();
  };
  const auto x = tensor<float>({2, 4}, kX);
  const auto narrow = tensor<float>({4, 2}, kX);
  CHECK(message({}) == "running the model: the program's input \"x\" is missing");
  CHECK(message({named("x", x), named("y", x)}) ==
        "running the model: the program has no input \"y\"");
  CHECK(message({named("x", narrow)}).find("shapes cannot be multiplied") != std::string::npos);
  CHECK(message({named("x", x)}).empty());  // and it still runs
}

TEST_CASE("A simulation has other weights and quantized activations") {
  const auto program = test::open_model_file("mlp.pt");
  const auto x = tensor<float>({2, 4}, kX);
  const NamedTensor input = named("x", x);
  HostTensor weight("fc2.weight", DETENT_F32, {2, 3});
  const std::vector<float> changed = {1, 0, -1, 0.5F, 2, 0};
  std::memcpy(weight.bytes().data(), changed.data(), changed.size() * sizeof(float));
  ActivationParams params;
  params.target.spec.granularity = DETENT_PER_TENSOR;
  params.target.spec.qmin = -4;
  params.target.spec.qmax = 3;
  params.scale = {0.5F};
  params.zero_point = {-1};
  const SimulatedWeight one{"fc2.weight", &weight, params, std::nullopt};
  program->simulate({&one, 1});

  std::vector<float> hidden = relu(first_layer(kX));
  for (float& v : hidden) {
    const float code = std::min(3.0F, std::max(-4.0F, std::nearbyint(v / 0.5F) - 1));
    v = (code + 1) * 0.5F;
  }
  const auto expected = linear(hidden, changed, counting(2, 0.5));
  CHECK(floats(*program->run_simulated({&input, 1})[0]) == expected);
  // The program itself is as it was.
  const auto exact = second_layer(relu(first_layer(kX)));
  CHECK(floats(*program->run({&input, 1})[0]) == exact);

  const auto errors = program->measure_local({&input, 1});
  REQUIRE(errors.size() == 1);
  double signal = 0;
  double noise = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    signal += double{exact[i]} * double{exact[i]};
    noise += (double{exact[i]} - double{expected[i]}) * (double{exact[i]} - double{expected[i]});
  }
  CHECK(errors.at("fc2.weight").signal == Approx(signal));
  CHECK(errors.at("fc2.weight").noise == Approx(noise));
}

TEST_CASE("Dynamic parameters follow the rule of their target") {
  const auto program = test::open_model_file("mlp.pt");
  ActivationParams params;
  params.dynamic = true;
  params.target.spec.granularity = DETENT_PER_TENSOR;
  params.target.spec.symmetric = 1;
  params.target.spec.qmin = -128;
  params.target.spec.qmax = 127;
  const auto x = tensor<float>({2, 4}, kX);  // of -2 to 3
  const NamedTensor input = named("x", x);
  const auto check = [&](float scale) {
    const SimulatedWeight one{"fc1.weight", nullptr, params, std::nullopt};
    program->simulate({&one, 1});
    std::vector<float> values = kX;
    for (float& v : values) v = std::clamp(std::nearbyint(v / scale), -128.0F, 127.0F) * scale;
    const auto expected = second_layer(relu(first_layer(values)));
    const auto got = floats(*program->run_simulated({&input, 1})[0]);
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(got[i] == Approx(expected[i]).epsilon(1e-5).margin(1e-5));
  };
  check(3.0F / 127);
  params.target.spec.affine_rules = DETENT_AFFINE_HALF_RANGE;
  check(3.0F / 127.5F);
  params.target.spec.min_scale = 1.5;
  check(1.5F);
  params.target.spec.affine_rules |= DETENT_AFFINE_FLOOR_ZERO_ONLY;
  check(3.0F / 127.5F);
}

TEST_CASE("Dynamic parameters follow the data of each run") {
  const auto program = test::open_model_file("mlp.pt");
  ActivationParams params;
  params.dynamic = true;
  params.target.spec.granularity = DETENT_PER_TENSOR;
  params.target.spec.qmin = -128;
  params.target.spec.qmax = 127;
  const SimulatedWeight one{"fc1.weight", nullptr, params, std::nullopt};
  program->simulate({&one, 1});
  for (const float factor : {1.0F, 1000.0F}) {
    std::vector<float> values = kX;
    for (float& v : values) v *= factor;
    const auto x = tensor<float>({2, 4}, values);
    const NamedTensor input = named("x", x);
    const auto scale = static_cast<float>((double{3 * factor} - double{-2 * factor}) / 255);
    for (float& v : values) v = std::nearbyint(v / scale) * scale;
    const auto expected = second_layer(relu(first_layer(values)));
    const auto got = floats(*program->run_simulated({&input, 1})[0]);
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(got[i] == Approx(expected[i]).epsilon(1e-5).margin(1e-5));
  }
}
