// SPDX-License-Identifier: Apache-2.0
// TensorList: the declared tensors of a file; each is added once, in the order of declaration.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "stored.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent::serializers {

struct Declared {
  std::string name;
  detent_dtype dtype;          // as declared
  std::vector<int64_t> shape;  // as declared
  Stored stored;
  uint64_t offset = 0;  // in the file's data, once the format has placed it
};

// Every function throws sdk::Error INVALID_ARG when the calls are not those of the contract.
class TensorList {
 public:
  void declare(const detent_tensor_spec& spec, Stored stored);
  void freeze() { frozen_ = true; }
  bool frozen() const { return frozen_; }

  std::vector<Declared>& all() { return tensors_; }  // in the order of declaration
  const std::vector<Declared>& all() const { return tensors_; }
  const Declared* find(std::string_view name) const;

  // The index of the tensor whose turn it is, which must be this one; `added` ends its turn.
  size_t turn_of(std::string_view name, const sdk::TensorView& tensor) const;
  void added() { ++next_; }
  void check_all_added() const;

 private:
  std::vector<Declared> tensors_;
  std::unordered_map<std::string, size_t> index_;
  size_t next_ = 0;
  bool frozen_ = false;
};

}  // namespace detent::serializers
