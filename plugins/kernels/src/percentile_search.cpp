// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "detent/kernels/range_search.hpp"

namespace detent::kernels {
namespace {

// How many values may be left out: less than the given share. 1e-9 because 100 - 99.99 is a little
// more than 0.01, and 1.0000000000005 values must not become two.
std::uint64_t allowed(double percent, std::uint64_t total) {
  const double share = percent / 100 * static_cast<double>(total) * (1 - 1e-9);
  return share <= 1 ? 0 : static_cast<std::uint64_t>(std::ceil(share)) - 1;
}

std::int64_t first_bin_beyond(const Histogram& h, std::uint64_t cut) {
  std::uint64_t seen = 0;
  for (std::int64_t i = 0; i < h.grid.count; ++i) {
    seen += h.counts[static_cast<std::size_t>(i)];
    if (seen > cut) return i;
  }
  return h.grid.count - 1;
}

std::int64_t last_bin_beyond(const Histogram& h, std::uint64_t cut) {
  std::uint64_t seen = 0;
  for (std::int64_t i = h.grid.count - 1; i >= 0; --i) {
    seen += h.counts[static_cast<std::size_t>(i)];
    if (seen > cut) return i;
  }
  return 0;
}

// Bins [-t, -t + 1) and [t - 1, t) lie at the same distance from zero: taken off together, from
// outside.
Range symmetric_percentile(const Histogram& h, std::uint64_t cut) {
  const std::int64_t end = h.grid.first + h.grid.count;
  const auto count_of = [&](std::int64_t index) {
    const std::int64_t i = index - h.grid.first;
    return i < 0 || i >= h.grid.count ? 0 : h.counts[static_cast<std::size_t>(i)];
  };
  const std::int64_t outermost = std::max(-h.grid.first, end);
  const std::int64_t innermost = std::max<std::int64_t>({h.grid.first, -end, 0});
  std::uint64_t seen = 0;
  for (std::int64_t t = outermost; t > innermost; --t) {
    seen += count_of(-t) + count_of(t - 1);
    if (seen > cut) return {0, std::ldexp(static_cast<double>(t), h.grid.exponent)};
  }
  return h.range;
}

}  // namespace

Range unclipped(const Range& range, Mapping mapping) noexcept {
  if (mapping == Mapping::asymmetric) return range;
  const double most = std::max(std::fabs(range.lo), std::fabs(range.hi));
  return {0.0 - most, most};
}

bool is_degenerate(const Histogram& histogram, const SearchTarget& target) noexcept {
  const Range& range = histogram.range;
  if (range.lo == range.hi) return true;
  const double lo = std::min(range.lo, 0.0);
  const double hi = std::max(range.hi, 0.0);
  const double steps = static_cast<double>(target.codes.max) - target.codes.min;
  const double step = hi / steps - lo / steps;
  return step < 2.0 * static_cast<double>(std::numeric_limits<float>::min()) ||
         step > 0.25 * static_cast<double>(std::numeric_limits<float>::max());
}

Range search_percentile(const Histogram& h, const SearchTarget& target, double percentile) {
  const std::uint64_t total = h.total();
  const Range whole = unclipped(h.range, target.mapping);
  if (target.mapping == Mapping::symmetric) {
    const Range found = symmetric_percentile(h, allowed(100 - percentile, total));
    const double most = std::min(whole.hi, found.hi);
    return {0.0 - most, most};
  }
  const std::uint64_t cut = allowed((100 - percentile) / 2, total);
  return {std::max(h.range.lo, bin_edge(h.grid, first_bin_beyond(h, cut))),
          std::min(h.range.hi, bin_edge(h.grid, last_bin_beyond(h, cut) + 1))};
}

}  // namespace detent::kernels
