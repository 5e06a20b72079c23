// SPDX-License-Identifier: Apache-2.0
// TensorList: the declared tensors of a file; each is added once, in the order of declaration,
// whole or row by row.
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
  uint64_t rows_added = 0;
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
  // The index of the tensor whose next rows these are.
  size_t turn_of_rows(std::string_view name, uint64_t first_row, const sdk::TensorView& rows) const;
  void added(size_t i) { add(i, UINT64_MAX); }
  void rows_added(size_t i, const sdk::TensorView& rows) {
    add(i, static_cast<uint64_t>(rows.size(0)));
  }
  void check_all_added() const;

 private:
  static bool is_whole(const Declared& tensor);
  size_t index_of(std::string_view name) const;
  void add(size_t i, uint64_t rows);

  std::vector<Declared> tensors_;
  std::unordered_map<std::string, size_t> index_;
  size_t next_ = 0;  // the first that is not whole
  bool frozen_ = false;
};

}  // namespace detent::serializers
