// SPDX-License-Identifier: Apache-2.0
// The elements of a tensor, row-major, in pieces that can be written.
#pragma once
#include <detent/sdk/tensor_view.hpp>

namespace detent::serializers {

// Where the pieces go, in order.
class PieceSink {
 public:
  virtual ~PieceSink() = default;
  virtual void piece(const char* bytes, uint64_t n) = 0;
};

// Of any strides; a tensor that is compact is handed over in one piece, without a copy.
// Throws sdk::Error INVALID_ARG when an element lies outside the tensor's buffer, UNSUPPORTED for
// sub-byte elements that are not compact.
void for_each_piece(const sdk::TensorView& tensor, PieceSink& sink);

}  // namespace detent::serializers
