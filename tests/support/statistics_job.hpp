// SPDX-License-Identifier: Apache-2.0
// StatisticsJob: weights and a fake program that uses them, with plugins that need statistics of
// inputs (statistics_plugins.cpp).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "calibrate/calibrate.hpp"
#include "plugin/registry.hpp"
#include "quantize/quantize_tensor.hpp"
#include "support/function_program.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {

inline const std::string kWeighed =
    R"({"weight": {"observer": "a.weighing", "quantizer": {"id": "int8"}}})";

class StatisticsJob {
 public:
  // The program shows each sample of "input" as the input of the weights of `uses`, in that order.
  StatisticsJob(const std::vector<TinyTensor>& weights, std::vector<WeightUse> uses,
                const std::string& rule = kWeighed, const std::string& plugins = "statistics");

  // The calibration data: one tensor "input", samples along its first dimension.
  void write_samples(const std::vector<std::int64_t>& shape, const std::vector<float>& values);
  // What the rules are from now on; without data the file has no "calibration".
  void configure(const std::string& rule, const std::string& activation = "", bool data = true,
                 int batch_size = 1);

  Plan plan() { return make_plan(config, *model, program.get(), pool); }
  Observations observe(const Plan& plan, Shard shard = {});
  Calibration calibrate(const Plan& planned) { return conclude(config, planned, observe(planned)); }
  // The tensor `output` of what a weight becomes, and what was measured.
  std::vector<double> quantize(const std::string& weight, const std::string& output = "scale");

  TempFolder folder;
  Registry registry;
  Config config;
  std::unique_ptr<Model> model;
  ProgramFacts facts;
  std::unique_ptr<FunctionProgram> program;
  ThreadPool pool{2};
  TensorResult result;  // of the last quantize
};

}  // namespace detent::test
