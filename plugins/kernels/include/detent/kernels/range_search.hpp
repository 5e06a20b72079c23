// SPDX-License-Identifier: Apache-2.0
// search_mse, search_kl, search_percentile: the range of real numbers to quantize, from a
// histogram.
//
//   mse         least expected squared error on the target's own codes. Values are taken as evenly
//   spread
//               inside their bin, so a bin wider than a step of the codes does no harm. Each free
//               end goes from the end of the data down to a thousandth of it
//   kl          least Kullback-Leibler divergence of the quantized distribution from the original,
//   in the
//               manner of TensorRT (Migacz, GTC 2017). Ends go from the end of the data down to
//               half of it. What is clipped is folded into the end bins. Q has one value for each
//               code, spread over the bins with data that the code stands for. See
//               src/kl_search.cpp for what differs and why
//   percentile  the range that leaves out less than (100 - p)/2 percent of the values on each side
//               (symmetric: less than 100 - p percent by magnitude); the outer edges of the bins
//               that hold these quantiles, at most the exact minimum and maximum
//
// Range     both ends are free when the mapping is asymmetric, except an end that is zero once the
// range is
//           widened to hold zero. Symmetric: [-a, a]. The unclipped range is always a candidate,
//           and kept when no other is strictly better
// Special   a single value, and a range whose scale float32 cannot express: the unclipped range
// Errors    none. Requires a histogram that is not empty, and codes as choose_affine requires them
// Cost      a few hundred candidates, O(codes) each; 2048 bins and 256 codes: see the benchmark
// Rounding  float64 in a fixed order, and no function of the C library but correctly rounded ones:
// the
//           same bits on every CPU
#pragma once
#include <vector>

#include "detent/kernels/affine.hpp"
#include "detent/kernels/histogram.hpp"

namespace detent::kernels {

struct SearchTarget {
  Codes codes;
  Mapping mapping;
  AffineRule rule = {};
};

// Memory that searches share. reserve() makes the next search of up to `bins` bins allocation-free.
struct SearchScratch {
  std::vector<double> a, b, c;

  void reserve(std::size_t bins) {
    a.reserve(bins + 1);
    b.reserve(bins + 1);
    c.reserve(bins + 1);
  }
};

Range search_mse(const Histogram& histogram, const SearchTarget& target, SearchScratch& scratch);
Range search_kl(const Histogram& histogram, const SearchTarget& target, SearchScratch& scratch);
// Requires 50 < percentile <= 100
Range search_percentile(const Histogram& histogram, const SearchTarget& target, double percentile);

// What mapping the whole histogram to these parameters costs: the sum of squared errors over all
// values, in units of the bin width squared. The function that search_mse minimises.
double expected_squared_error(const Histogram& histogram, const AffineParams& params, Codes codes,
                              SearchScratch& scratch);

// The range as it is, on both sides when the mapping is symmetric.
Range unclipped(const Range& range, Mapping mapping) noexcept;

// Nothing to search: one value, or a range whose scale is not a normal float32.
bool is_degenerate(const Histogram& histogram, const SearchTarget& target) noexcept;

}  // namespace detent::kernels
