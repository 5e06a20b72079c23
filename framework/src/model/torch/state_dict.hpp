// SPDX-License-Identifier: Apache-2.0
// find_state_dict: the tensors of what torch.save was given, by name.
#pragma once
#include <string>
#include <vector>

#include "model/torch/torch_file.hpp"

namespace detent {

struct FoundTensor {
  std::string name;
  const PickledTensor* tensor = nullptr;
};

inline constexpr std::size_t kMaxTorchTensors = 250'000;

// The tensors of a state dict have the names of its keys; dictionaries within it add theirs, with a
// dot between. Which dictionary is the state dict:
//
//   1. the entry "state_dict", "model_state_dict", "model", "module", "net", "network" or "params"
//      of the outermost dictionary, when exactly one of them holds tensors
//   2. the outermost dictionary, when it holds tensors
//   3. its one entry that is a dictionary of tensors; where there are several, all of them, under
//      their keys ("encoder.weight")
//   4. when it has but one dictionary, whatever is found in there by these rules
//
// What else the file holds (an optimizer's state) is left out, and notes say so.
//
// Errors  Error{io}: something else than dictionaries, no tensors, a name that is no name
std::vector<FoundTensor> find_state_dict(const TorchFile& file, std::vector<std::string>* notes);

// Refuses what can be no name of a tensor.
void check_tensor_name(const std::string& name, const std::string& path);

}  // namespace detent
