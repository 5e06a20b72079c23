// SPDX-License-Identifier: Apache-2.0
// Which operator of a program uses which weight.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "torch/graph_tools.hpp"
#include "torch/loaded_model.hpp"
#include "torch/operators.hpp"

namespace detent::torch_worker {

struct Use {
  std::string weight;  // name of the model's tensor
  std::string op;
  std::string method;
  const Operator* what = nullptr;
  torch::jit::Node* node = nullptr;  // in the rebuilt graphs
  bool replaceable = false;          // the operator gets the weight itself, not a view of it
};

struct Uses {
  std::vector<Use> uses;                             // in the order of the program
  std::map<std::string, std::string> other_readers;  // tensor -> the operators
  std::map<std::string, std::string> out_of_reach;   // tensor -> why it cannot be replaced
};

// The same for each rebuild of the same model: indices into uses stay valid. Binds the constants.
Uses find_uses(const Rebuilt& rebuilt, LoadedModel& model);

}  // namespace detent::torch_worker
