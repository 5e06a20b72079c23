// SPDX-License-Identifier: Apache-2.0
// Counts of integer codes outside the range that the quantization target allows.
#pragma once
#include <cstdint>

#include <detent/sdk/tensor_view.hpp>

namespace detent::validators {

struct CodeRange {
  int64_t min;
  int64_t max;
};

// Codes of an I4, U4 or any integer tensor up to 32 bits that lie outside the range; 0 for other
// dtypes. Sub-byte: compact, low nibble first, each row starting on a byte (see abi/base.h).
uint64_t count_outside(const sdk::TensorView& codes, CodeRange range);

// The same for 4-bit codes that a file stores as U8: row_length codes in each row of bytes.
uint64_t count_packed_outside(const sdk::TensorView& bytes, bool is_signed, int64_t row_length,
                              CodeRange range);

}  // namespace detent::validators
