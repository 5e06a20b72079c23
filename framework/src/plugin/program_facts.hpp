// SPDX-License-Identifier: Apache-2.0
// ProgramTables: a ProgramView as the C structs of abi/program.h.
#pragma once
#include <deque>
#include <vector>

#include "plugin/program_edit.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

// The structs point into the view: both live as long as the program is lent.
class ProgramTables {
 public:
  explicit ProgramTables(const ProgramView& view);
  ProgramTables(const ProgramTables&) = delete;
  ProgramTables& operator=(const ProgramTables&) = delete;

  const std::vector<detent_program_use>& uses() const { return uses_; }
  const std::vector<detent_program_tensor>& tensors() const { return tensors_; }

 private:
  const detent_program_activation* add(const ProgramActivation& activation);
  void add(const ProgramTensor& tensor);

  std::deque<detent_program_activation> activations_;  // addresses stay
  std::deque<detent_tensor_spec> originals_;
  std::deque<std::vector<detent_tensor_spec>> stored_;
  std::deque<std::vector<const char*>> outputs_;
  std::deque<TensorStore> meta_;
  std::vector<detent_program_use> uses_;
  std::vector<detent_program_tensor> tensors_;
};

}  // namespace detent
