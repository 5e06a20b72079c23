// SPDX-License-Identifier: Apache-2.0
// LoadedModel: a TorchScript archive in memory, and the names of its tensors as the host knows
// them.
#pragma once
#include <string>
#include <torch/script.h>
#include <unordered_map>
#include <vector>

namespace detent::torch_worker {

// A parameter, a buffer, or a constant of a frozen program.
struct ModelTensor {
  std::string name;  // "encoder.0.weight", "constants.3.weight": see model/torch_script.hpp
  at::Tensor tensor;
};

class LoadedModel {
 public:
  // Reads the archive from an open descriptor by offset; runs the code that the archive has for
  // that.
  LoadedModel(int fd, std::uint64_t bytes);

  const torch::jit::Module& module() const { return module_; }
  // Each under its first name, in the order of state_dict, constants last.
  const std::vector<ModelTensor>& tensors() const { return tensors_; }
  // The tensor that x is a view of: of the same storage and within its bounds; nullptr when none.
  const ModelTensor* owner(const at::Tensor& x) const;
  // The constant that equals x in type, shape and bytes; nullptr when none.
  const ModelTensor* constant(const at::Tensor& x) const;
  const ModelTensor* find(const std::string& name) const;
  // From now on owner() finds `original` for views of stand_in too: a program's own copy of a
  // constant, or what replaces the tensor in a changed program.
  void bind(const at::Tensor& stand_in, const ModelTensor& original);

 private:
  void add(std::string name, const at::Tensor& tensor);
  void walk(const torch::jit::Module& module, const std::string& prefix);

  torch::jit::Module module_;
  std::vector<ModelTensor> tensors_;
  std::size_t first_constant_ = 0;
  struct Place {
    at::Tensor tensor;
    std::size_t index;  // into tensors_
  };
  std::unordered_map<const void*, std::vector<Place>> by_storage_;
};

// The same storage, offset, shape and strides.
bool is_same_tensor(const at::Tensor& a, const at::Tensor& b);

}  // namespace detent::torch_worker
