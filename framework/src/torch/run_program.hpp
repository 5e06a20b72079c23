// SPDX-License-Identifier: Apache-2.0
// Running a program while its activations are watched, replaced or measured.
//
// Kernels at a dispatch key that nothing else uses see every operator of the table, however it came
// to be called: by scripted, traced or frozen code, through interfaces, in loops and branches.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "torch/activation.hpp"
#include "torch/loaded_model.hpp"

namespace detent::torch_worker {

struct SiteChange {   // of a weight's operators
  at::Tensor weight;  // undefined: as it is; else of the weight's shape, contiguous
  std::optional<Quantization> input;
  std::optional<Quantization> output;
};

struct SiteError {
  double signal = 0;
  double noise = 0;
};

struct RunTask {
  std::set<std::string> watched_inputs;
  std::set<std::string> watched_outputs;
  std::function<void(const std::string& weight, bool output, const at::Tensor& x)> seen;
  // The change to the site of a weight; measured beside the run rather than made when `errors` is
  // set.
  const std::map<std::string, SiteChange>* changes = nullptr;
  std::map<std::string, SiteError>* errors = nullptr;
};

// module.forward(inputs) without gradients. model names the weights of the module that runs.
c10::IValue run_program(torch::jit::Module module, std::vector<c10::IValue> inputs,
                        const LoadedModel& model, const RunTask& task);

}  // namespace detent::torch_worker
