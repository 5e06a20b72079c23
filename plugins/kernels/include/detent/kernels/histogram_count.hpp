// SPDX-License-Identifier: Apache-2.0
// count_bins: adds the finite values of an array to the bins of a grid.
//
// Shapes    x holds n elements; even and odd hold grid.count counts each. Elements at even places
// are
//           counted in `even`, the others in `odd`: two tables, because consecutive elements of a
//           layer often fall into one bin and would wait for one another. The two may be one
// Rounding  none: bin_of(x, grid.exponent)
// Special   NaN, infinities and values outside the grid are left out
// Errors    none. Requires x aligned to its element
// Truth     count_bins_ref; every SIMD target gives the same counts
#pragma once
#include <cstddef>
#include <cstdint>

#include "detent/kernels/element.hpp"
#include "detent/kernels/histogram.hpp"

namespace detent::kernels {

// Vectorised for floating-point types; integers walk one element at a time.
template <class T>
void count_bins(const T* x, std::size_t n, const BinGrid& grid, std::uint64_t* even,
                std::uint64_t* odd);

// One element at a time, as anybody would write it.
template <class T>
void count_bins_ref(const T* x, std::size_t n, const BinGrid& grid, std::uint64_t* counts);

}  // namespace detent::kernels
