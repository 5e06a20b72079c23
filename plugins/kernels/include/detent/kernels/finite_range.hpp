// SPDX-License-Identifier: Apache-2.0
// finite_ranges: minimum, maximum and number of non-finite values of many runs of elements.
//
//   run r is x[r * length] .. x[r * length + length - 1] and goes into out[r]      finite_ranges
//   column c is x[c], x[columns + c], ... (rows of them) and goes into out[c]      finite_columns
//
// Shapes    x holds runs * length (rows * columns) elements; any of them may be 0. out holds runs
//           (columns) entries that are kept and widened, so a tensor can be given in pieces
// Rounding  none, as every value is exact in float64; but 64-bit integers beyond 2^53 to the
// nearest Special   NaN and the infinities are counted in non_finite and otherwise left out; -0
// counts as +0,
//           so the result does not depend on the order of the elements
// Errors    none. Requires x aligned to its element
// Truth     finite_ranges_ref, finite_columns_ref; every SIMD target gives the same bits
#pragma once
#include <cstddef>
#include <cstdint>

#include "detent/kernels/affine.hpp"
#include "detent/kernels/element.hpp"

namespace detent::kernels {

struct FiniteRange {
  Range range;
  std::uint64_t non_finite = 0;

  void include(const FiniteRange& other) noexcept {
    range.include(other.range);
    non_finite += other.non_finite;
  }
};

void finite_ranges(const float* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const double* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const Half* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const BFloat16* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::int8_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::uint8_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::int16_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::uint16_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::int32_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::uint32_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::int64_t* x, std::size_t runs, std::size_t length, FiniteRange* out);
void finite_ranges(const std::uint64_t* x, std::size_t runs, std::size_t length, FiniteRange* out);

void finite_columns(const float* x, std::size_t rows, std::size_t columns, FiniteRange* out);
void finite_columns(const double* x, std::size_t rows, std::size_t columns, FiniteRange* out);
void finite_columns(const Half* x, std::size_t rows, std::size_t columns, FiniteRange* out);
void finite_columns(const BFloat16* x, std::size_t rows, std::size_t columns, FiniteRange* out);

// One element at a time, as anybody would write it.
template <class T>
void finite_ranges_ref(const T* x, std::size_t runs, std::size_t length, FiniteRange* out);
template <class T>
void finite_columns_ref(const T* x, std::size_t rows, std::size_t columns, FiniteRange* out);

}  // namespace detent::kernels
