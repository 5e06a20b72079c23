// SPDX-License-Identifier: Apache-2.0
#include "support/statistics_job.hpp"

#include <stdexcept>

#include "artifact/artifact.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent::test {

StatisticsJob::StatisticsJob(const std::vector<TinyTensor>& weights, std::vector<WeightUse> uses,
                             const std::string& rule, const std::string& plugins)
    : registry(Registry::scan({{DETENT_TEST_PLUGINS, "test", true},
                               {DETENT_STATISTICS_PLUGINS "/" + plugins, "test", false}})) {
  test::write_safetensors(folder / "model.safetensors", weights);
  model = std::make_unique<ProgramModel>(folder / "model.safetensors");
  facts.inputs = {{"x", "Tensor", false}};
  facts.uses = std::move(uses);
  const auto forward = [shown = facts.uses](std::span<const detent::NamedTensor> inputs,
                                            const FunctionProgram::Show& show) {
    for (const WeightUse& use : shown) show(use.weight, Side::input, inputs[0].view);
  };
  program = std::make_unique<FunctionProgram>(facts, forward);
  configure(rule);
}

void StatisticsJob::write_samples(const std::vector<std::int64_t>& shape,
                                  const std::vector<float>& values) {
  test::write_safetensors(folder / "c.safetensors", {f32("input", shape, values)});
}

void StatisticsJob::configure(const std::string& rule, const std::string& activation, bool data,
                              int batch_size) {
  const std::string rules = activation.empty() ? rule
                                               : rule.substr(0, rule.size() - 1) +
                                                     ", \"activation\": " + activation + "}";
  const std::string calibration =
      data ? R"("calibration": {"data": "c.safetensors", "batch_size": )" +
                 std::to_string(batch_size) + "},"
           : "";
  write_file(folder / "p.json", R"({"model": {"path": "model.safetensors"}, )" + calibration +
                                    R"("rules": [)" + rules + R"(],
              "outputs": [{"serializer": "safetensors", "path": "out/m.safetensors"}],
              "report": {"path": "out"}})");
  config = load_config(folder / "p.json", {});
  check_plugins(config, registry);
}

Observations StatisticsJob::observe(const Plan& planned, Shard shard) {
  Plan copy = planned;
  const auto samples = open_samples(config, program.get(), copy);
  Observations seen = fresh_observations(planned, pool);
  detent::observe(*program, planned, *samples, batches_of(shard, planned_batches(config, *samples)),
                  {}, seen);
  return seen;
}

std::vector<double> StatisticsJob::quantize(const std::string& weight, const std::string& output) {
  const Plan planned = plan();
  const Calibration calibration = planned.statistics.empty() ? Calibration() : calibrate(planned);
  for (const TensorPlan& t : planned.tensors) {
    const TensorInfo& info = model->tensors()[t.tensor];
    if (info.name != weight) continue;
    TensorStore out;
    result = quantize_tensor(t, info, *read_tensor(*model, info), pool, out,
                             statistics_of(planned, calibration, t.tensor));
    const HostTensor* stored = out.find(output);
    if (stored == nullptr) throw std::logic_error("no output " + output);
    std::vector<double> values;
    sdk::TensorView(stored->view()).for_each(-1, [&](double v, std::int64_t) {
      values.push_back(v);
    });
    return values;
  }
  throw std::logic_error("no weight " + weight);
}

}  // namespace detent::test
