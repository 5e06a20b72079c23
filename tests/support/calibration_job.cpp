// SPDX-License-Identifier: Apache-2.0
#include "support/calibration_job.hpp"

#include <cstring>

namespace detent::test {
namespace {

std::vector<TinyTensor> network() {
  using Job = CalibrationJob;
  return {random_f32("fc1.weight", {Job::kHidden, Job::kIn}, 11),
          random_f32("fc1.bias", {Job::kHidden}, 12),
          random_f32("fc2.weight", {Job::kOut, Job::kHidden}, 13),
          random_f32("fc2.bias", {Job::kOut}, 14)};
}

std::vector<float> values_of(const TinyTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

ProgramFacts facts() {
  ProgramFacts facts;
  facts.inputs = {{"x", "Tensor", false}};
  facts.uses = {{"fc1.weight", "linear", "forward"}, {"fc2.weight", "linear", "forward"}};
  facts.runtime = "a fake";
  return facts;
}

}  // namespace

std::vector<float> floats_of(const detent_tensor& tensor) {
  std::vector<float> values(tensor.nbytes / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, tensor.nbytes);
  return values;
}

std::unique_ptr<FakeProgram> network_program() {
  using Job = CalibrationJob;
  const std::vector<TinyTensor> weights = network();
  return std::make_unique<FakeProgram>(std::vector<FakeLinear>{
      {"fc1.weight", Job::kHidden, Job::kIn, values_of(weights[0]), values_of(weights[1]), true},
      {"fc2.weight", Job::kOut, Job::kHidden, values_of(weights[2]), values_of(weights[3])}});
}

std::unique_ptr<FunctionProgram> watched_network() {
  const std::shared_ptr<FakeProgram> inner = network_program();
  const auto forward = [inner](std::span<const detent::NamedTensor> inputs,
                               const FunctionProgram::Show& show) {
    const std::vector<std::string> all{"fc1.weight", "fc2.weight"};
    const Watch watch{all, all, show};
    inner->run(inputs, &watch);
  };
  return std::make_unique<FunctionProgram>(facts(), forward);
}

std::unique_ptr<FunctionProgram> echo_program() {
  const auto forward = [](std::span<const detent::NamedTensor> inputs,
                          const FunctionProgram::Show& show) {
    show("fc1.weight", Side::input, inputs[0].view);
    show("fc2.weight", Side::input, inputs[0].view);
  };
  return std::make_unique<FunctionProgram>(facts(), forward);
}

CalibrationJob::CalibrationJob(const std::string& activation)
    : registry(Registry::scan({{DETENT_TEST_PLUGINS, "test", true}})) {
  test::write_safetensors(folder / "model.safetensors", network());
  model = std::make_unique<ProgramModel>(folder / "model.safetensors");
  program = watched_network();
  configure(activation);
}

void CalibrationJob::write_samples(const std::vector<float>& values, std::int64_t width,
                                   const std::string& file) const {
  const auto rows = static_cast<std::int64_t>(values.size()) / width;
  test::write_safetensors(folder / file, {f32("input", {rows, width}, values)});
}

std::vector<float> CalibrationJob::random_samples(std::size_t samples, unsigned seed,
                                                  float scale) const {
  return values_of(random_f32("input", {static_cast<std::int64_t>(samples), kIn}, seed, scale));
}

void CalibrationJob::configure(const std::string& activation,
                               const std::vector<ConfigOverride>& set) {
  write_file(folder / "pipeline.json",
             R"({"model": {"path": "model.safetensors"},
                 "calibration": {"data": "calibration.safetensors"},
                 "rules": [{"match": {"name": ["fc1", "fc2"]},
                            "weight": {"quantizer": "int8"},
                            "activation": )" +
                 activation + R"(}],
                 "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}],
                 "report": {"path": "out"}})");
  config = load_config(folder / "pipeline.json", set);
  check_plugins(config, registry);
}

Calibration CalibrationJob::calibrate() {
  Plan planned = plan();
  const auto samples = open_samples(config, program.get(), planned);
  Observations seen = fresh_observations(planned, pool);
  observe(*program, planned, *samples, planned_batches(config, *samples), {}, seen);
  return conclude(config, planned, seen);
}

}  // namespace detent::test
