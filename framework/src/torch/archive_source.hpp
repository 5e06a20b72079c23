// SPDX-License-Identifier: Apache-2.0
// Compiles TorchScript source as an archive's own code spells it (detent/abi/program.h).
#pragma once
#include <memory>
#include <string>
#include <torch/csrc/jit/api/compilation_unit.h>

namespace detent::torch_worker {

// torch.NAME is aten::NAME, ops.NS.NAME any other operator, and classes that operators bring have
// their full names. LibTorch's own errors for what does not compile.
std::shared_ptr<torch::jit::CompilationUnit> compile_source(const std::string& source);

}  // namespace detent::torch_worker
