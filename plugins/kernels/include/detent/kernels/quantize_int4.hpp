// SPDX-License-Identifier: Apache-2.0
// quantize_int4_row, dequantize_int4_row: a row of a matrix in groups, two 4-bit codes to a byte.
//
// Shapes    the row has n elements, ceil(n / group_size) groups (a short last one is a group) and
//           packed_int4_bytes(n) bytes; n may be 0. params holds one entry for each group
// Rounding  of quantize_affine and dequantize_affine
// Special   theirs
// Errors    none. Requires group_size > 0, codes within -8..7, and what quantize_affine requires
// Truth     quantize_affine for each group, then pack_int4 for the row
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "detent/kernels/affine.hpp"

namespace detent::kernels {

// ceil(n / group_size)
constexpr std::size_t groups_in_row(std::size_t n, std::size_t group_size) noexcept {
  return n / group_size + (n % group_size != 0 ? 1 : 0);
}

struct RowGroups {
  std::size_t group_size;
  const AffineParams* params;
};

void quantize_int4_row(std::span<const float> x, RowGroups groups, Codes codes,
                       std::uint8_t* bytes);
void dequantize_int4_row(const std::uint8_t* bytes, RowGroups groups, std::span<float> x);

}  // namespace detent::kernels
