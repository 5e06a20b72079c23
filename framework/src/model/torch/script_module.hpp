// SPDX-License-Identifier: Apache-2.0
// find_script_tensors: the tensors of a TorchScript archive by the names that Python's state_dict()
// gives them, and the types of its layers.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "model/torch/state_dict.hpp"
#include "model/torch/torch_file.hpp"

namespace detent {

struct ScriptTensors {
  std::vector<FoundTensor> attributes;  // parameters and buffers, of file.data
  std::vector<FoundTensor> constants;   // of the pickle `constants`
  TorchPickle constant_pickle;
  std::map<std::string, std::string> types;  // of the layers that are modules of torch.nn
};

// Constants are the tensors in the code: "constants.3.weight" for a matrix of floats, as freezing a
// module makes its weights, and "constants.3.value" for others, these only when the module has no
// parameters and buffers, so that it is known to be frozen.
//
// Errors  Error{io}
ScriptTensors find_script_tensors(const TorchFile& file);

// "Linear" for "__torch__.torch.nn.modules.linear.___torch_mangle_3.Linear"; "" for a class that is
// not of torch.nn.
std::string script_layer_type(std::string_view class_name);

}  // namespace detent
