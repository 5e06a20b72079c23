// SPDX-License-Identifier: Apache-2.0
// A module that holds a value made when the archive is loaded, so that nothing which depends on a
// processor is stored.
#pragma once
#include <string>
#include <torch/script.h>
#include <vector>

#include "torch/graph_tools.hpp"

namespace detent::torch_worker {

inline constexpr const char* kPreparedValue = "value";  // the attribute

// Its state is the tensors; loading computes function(tensors..., literals...).
Object make_prepared(const std::shared_ptr<torch::jit::CompilationUnit>& unit,
                     torch::jit::Function& function, std::vector<at::Tensor> tensors,
                     const std::vector<std::string>& literals);

}  // namespace detent::torch_worker
