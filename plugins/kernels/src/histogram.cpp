// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/histogram.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace detent::kernels {
namespace {

constexpr std::int32_t kSmallestExponent = -1074;  // of the last bit of the smallest float64
constexpr std::int32_t kFractionBits = 52;

// Finer bins than the last bit of a float64 would hold nothing more, and their indices would pass
// 2^53.
std::int32_t finest_exponent(const Range& range) noexcept {
  const double largest = std::max(std::fabs(range.lo), std::fabs(range.hi));
  if (largest == 0) return kSmallestExponent;
  return std::max(std::ilogb(largest) - kFractionBits, kSmallestExponent);
}

std::int64_t bins_needed(const Range& range, std::int32_t exponent) noexcept {
  return bin_of(range.hi, exponent) - bin_of(range.lo, exponent) + 1;
}

// An exponent from which to search upwards: `bins` bins cannot be narrower.
std::int32_t lower_bound(const Range& range, std::int64_t bins) noexcept {
  const std::int32_t finest = finest_exponent(range);
  const double half = range.hi / 2 - range.lo / 2;  // hi - lo could overflow
  if (!(half > 0)) return finest;
  return std::max(finest, std::ilogb(half) - std::ilogb(static_cast<double>(bins)) - 2);
}

std::int64_t coarser(std::int64_t index, std::int64_t steps) noexcept {
  return index >> std::min<std::int64_t>(steps, 63);  // rounds down, also below zero
}

void add_counts(const Histogram& from, Histogram& to) noexcept {
  const std::int64_t steps = std::int64_t{to.grid.exponent} - from.grid.exponent;
  assert(from.empty() || steps >= 0);
  for (std::int64_t i = 0; i < from.grid.count; ++i) {
    const std::int64_t at = coarser(from.grid.first + i, steps) - to.grid.first;
    to.counts[static_cast<std::size_t>(at)] += from.counts[static_cast<std::size_t>(i)];
  }
}

}  // namespace

double bin_width(const BinGrid& grid) noexcept { return std::ldexp(1.0, grid.exponent); }

double bin_edge(const BinGrid& grid, std::int64_t i) noexcept {
  return std::ldexp(static_cast<double>(grid.first + i), grid.exponent);
}

std::int64_t bin_of(double x, std::int32_t exponent) noexcept {
  const auto index = static_cast<std::int64_t>(std::floor(std::ldexp(x, -exponent)));
  // A tiny negative value can become -0 on the way, whose floor is not -1.
  return x < 0 ? std::min<std::int64_t>(index, -1) : index;
}

BinGrid choose_grid(const Range& range, std::int64_t bins) noexcept {
  assert(!range.empty() && bins >= 2);
  std::int32_t exponent = lower_bound(range, bins);
  while (bins_needed(range, exponent) > bins) ++exponent;
  return {exponent, bin_of(range.lo, exponent), bins_needed(range, exponent)};
}

std::uint64_t Histogram::total() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Histogram make_histogram(const Range& range, std::int64_t bins) {
  if (range.empty()) return {};
  const BinGrid grid = choose_grid(range, bins);
  return {range, grid, std::vector<std::uint64_t>(static_cast<std::size_t>(grid.count))};
}

void grow(Histogram& histogram, const Range& range, std::int64_t bins) {
  Range wider = histogram.range;
  wider.include(range);
  if (wider.lo == histogram.range.lo && wider.hi == histogram.range.hi) return;
  Histogram grown = make_histogram(wider, bins);
  add_counts(histogram, grown);
  histogram = std::move(grown);
}

void merge(Histogram& into, const Histogram& other, std::int64_t bins) {
  if (other.empty()) return;
  grow(into, other.range, bins);
  add_counts(other, into);
}

bool is_canonical(const Histogram& histogram, std::int64_t bins) noexcept {
  const Range& range = histogram.range;
  if (histogram.empty()) return histogram == Histogram{};
  // -0 would be another byte pattern for the same state.
  if (!std::isfinite(range.lo) || !std::isfinite(range.hi)) return false;
  if ((range.lo == 0 && std::signbit(range.lo)) || (range.hi == 0 && std::signbit(range.hi)))
    return false;
  if (histogram.grid != choose_grid(range, bins)) return false;
  if (histogram.counts.size() != static_cast<std::size_t>(histogram.grid.count)) return false;
  if (histogram.counts.front() == 0 || histogram.counts.back() == 0) return false;
  std::uint64_t total = 0;
  for (const std::uint64_t count : histogram.counts) {
    if (count > std::numeric_limits<std::uint64_t>::max() - total) return false;
    total += count;
  }
  return total > 1 || range.lo == range.hi;
}

}  // namespace detent::kernels
