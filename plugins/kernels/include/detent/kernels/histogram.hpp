// SPDX-License-Identifier: Apache-2.0
// Histogram: counts in bins of width 2^k whose edges are multiples of 2^k, exact under any merging.
//
// The exponent k depends on nothing but the range of the data and the number of bins allowed, and a
// wider range never gives a smaller k. So counts at the final k follow from counts at any earlier
// one by adding neighbouring bins in pairs, and every order, split and grouping of the same values
// ends in the same Histogram, byte for byte.
//
// Memory    at most `bins` counts, whatever the data
// Rounding  none: scaling by a power of two and flooring are exact in float64
// Special   a single value takes one bin; its k is that of the last bit of a float64 of its size,
// and
//           -1074 for zero, the finest there is. Bin indices stay below 2^53 + 1 in magnitude
// Truth     the test derives k, first and counts from the sorted values with rational arithmetic
#pragma once
#include <cstdint>
#include <vector>

#include "detent/kernels/affine.hpp"

namespace detent::kernels {

// Bin i holds [(first + i) * 2^exponent, (first + i + 1) * 2^exponent).
struct BinGrid {
  std::int32_t exponent = 0;
  std::int64_t first = 0;
  std::int64_t count = 0;

  friend bool operator==(const BinGrid&, const BinGrid&) = default;
};

double bin_width(const BinGrid& grid) noexcept;
// The lower edge of bin i; i = count gives the upper edge of the last one.
double bin_edge(const BinGrid& grid, std::int64_t i) noexcept;
// floor(x / 2^exponent). Requires x finite, and exponent not below the one choose_grid gives x.
std::int64_t bin_of(double x, std::int32_t exponent) noexcept;

// The finest grid on which `range` takes at most `bins` bins.
//
// Requires  range finite, not empty; bins >= 2, because a range around zero takes two
BinGrid choose_grid(const Range& range, std::int64_t bins) noexcept;

// The state of one channel. Empty: nothing was seen.
struct Histogram {
  Range range;
  BinGrid grid;
  std::vector<std::uint64_t> counts;  // grid.count of them

  bool empty() const noexcept { return range.empty(); }
  std::uint64_t total() const noexcept;

  friend bool operator==(const Histogram& a, const Histogram& b) noexcept {
    return a.range.lo == b.range.lo && a.range.hi == b.range.hi && a.grid == b.grid &&
           a.counts == b.counts;
  }
};

// Zero counts on the grid of `range`.
Histogram make_histogram(const Range& range, std::int64_t bins);

// Widens the range and adds neighbouring bins in pairs until it fits.
void grow(Histogram& histogram, const Range& range, std::int64_t bins);

// into := into + other. Requires both made with the same `bins`, and no count to pass 2^64.
void merge(Histogram& into, const Histogram& other, std::int64_t bins);

// Could observing some values have made it? The check for a state that comes from a file.
bool is_canonical(const Histogram& histogram, std::int64_t bins) noexcept;

}  // namespace detent::kernels
