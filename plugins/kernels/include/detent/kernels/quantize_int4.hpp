// SPDX-License-Identifier: Apache-2.0
// quantize_int4_row, round_int4_row, dequantize_int4_row: a row of a matrix in groups, two 4-bit
// codes to a byte.
//
//   quantize_int4_row  with the given scales and zero points, one for each group
//   round_int4_row     chooses them first: choose_affine of the group's range, by Detent's own
//   rule.
//                      False where an element is not finite; params and bytes are then of no use
//
// Shapes    the row has n elements, ceil(n / group_size) groups (a short last one is a group) and
//           packed_int4_bytes(n) bytes; n may be 0. params holds one entry for each group
// Rounding  of quantize_affine and dequantize_affine, of what to_float makes of x; ranges are those
//           of the exact values, of float64 as well
// Special   theirs
// Errors    none. T: float, double, Half or BFloat16; x need not be aligned to it. Requires
//           group_size > 0, codes within -8..7, and what quantize_affine requires
// Cost      groups of a multiple of 32 elements are done in one go while they are in the cache;
//           others take two to three times as long
// Truth     finite_ranges_ref, choose_affine and quantize_affine for each group, then pack_int4 for
//           the row
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "detent/kernels/affine.hpp"
#include "detent/kernels/element.hpp"

namespace detent::kernels {

// ceil(n / group_size)
constexpr std::size_t groups_in_row(std::size_t n, std::size_t group_size) noexcept {
  return n / group_size + (n % group_size != 0 ? 1 : 0);
}

struct RowGroups {
  std::size_t group_size;
  const AffineParams* params;
};

template <class T>
void quantize_int4_row(std::span<const T> x, RowGroups groups, Codes codes, std::uint8_t* bytes);

struct Int4Rounding {
  std::size_t group_size;
  Codes codes;
  Mapping mapping;
};

template <class T>
bool round_int4_row(std::span<const T> x, const Int4Rounding& how, AffineParams* params,
                    std::uint8_t* bytes);

void dequantize_int4_row(const std::uint8_t* bytes, RowGroups groups, std::span<float> x);

}  // namespace detent::kernels
