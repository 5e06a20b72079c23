// SPDX-License-Identifier: Apache-2.0
// add_errors: what becomes of values that are quantized and restored, as sums of float64.
//
//   signal += x^2    noise += (x - x')^2    restored += x'^2    product += x x'
//   largest = max(largest, |x - x'|)
//
// Shapes    original and restored have n elements each, perhaps none. They are the elements from,
//           from + 1, ... of something longer: element i goes into lane i % 4, so that the bits of
//           the sums do not depend on the pieces in which it comes, as long as these are in order
// Rounding  every value is exact in float64; one rounding for each product and each sum, no fused
//           multiply-add
// Special   what is not finite ends in the sums as IEEE has it; a NaN is not the largest error
// Errors    none. original need not be aligned to its element
// Truth     add_errors_ref; every SIMD target gives the same bits
#pragma once
#include <cstddef>
#include <cstdint>

#include "detent/kernels/element.hpp"

namespace detent::kernels {

struct ErrorLanes {
  static constexpr std::size_t kLanes = 4;

  double signal[kLanes] = {};
  double noise[kLanes] = {};
  double restored[kLanes] = {};
  double product[kLanes] = {};
  double largest[kLanes] = {};
};

void add_errors(const float* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums);
void add_errors(const double* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums);
void add_errors(const Half* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums);
void add_errors(const BFloat16* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums);

// One element at a time, as anybody would add it.
template <class T>
void add_errors_ref(const T* original, const float* restored, std::size_t n, std::uint64_t from,
                    ErrorLanes& sums);

}  // namespace detent::kernels
