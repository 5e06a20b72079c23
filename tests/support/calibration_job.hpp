// SPDX-License-Identifier: Apache-2.0
// CalibrationJob: a small network as a fake program, a pipeline file for it, and its data.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "calibrate/calibrate.hpp"
#include "config/config.hpp"
#include "plan/plan.hpp"
#include "plugin/registry.hpp"
#include "support/fake_program.hpp"
#include "support/function_program.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {

// fc1 (Linear 8 -> 6), relu, fc2 (Linear 6 -> 4): the inputs of fc1 are the model's own.
class CalibrationJob {
 public:
  static constexpr std::int64_t kIn = 8;
  static constexpr std::int64_t kHidden = 6;
  static constexpr std::int64_t kOut = 4;

  // activation: the rule's value of "activation" for both layers.
  explicit CalibrationJob(
      const std::string& activation = R"({"observer": "minmax", "quantizer": "int8"})");

  // Samples of the program's one input, as calibration.safetensors or under another name.
  void write_samples(const std::vector<float>& values, std::int64_t width = kIn,
                     const std::string& file = "calibration.safetensors") const;
  std::vector<float> random_samples(std::size_t samples, unsigned seed = 7,
                                    float scale = 1.0F) const;
  // Reads the pipeline file again; text becomes the value of "activation", set what --set would be.
  void configure(const std::string& activation, const std::vector<ConfigOverride>& set = {});

  Plan plan() { return make_plan(config, *model, program.get(), pool); }
  // Plans and calibrates with the samples that were written.
  Calibration calibrate();

  TempFolder folder;
  Registry registry;
  Config config;
  std::unique_ptr<Model> model;
  std::unique_ptr<FunctionProgram> program;
  ThreadPool pool{2};
};

// The network's own program.
std::unique_ptr<FakeProgram> network_program();
// The same, its batches noted: inputs and outputs of both layers are shown.
std::unique_ptr<FunctionProgram> watched_network();
// Whatever goes in is shown as the input of fc1 and fc2.
std::unique_ptr<FunctionProgram> echo_program();

std::vector<float> floats_of(const detent_tensor& tensor);

}  // namespace detent::test
