// SPDX-License-Identifier: Apache-2.0
// ValueTally: what the host itself counts of the values at a site, whatever the observer there
// keeps: extremes, values that are not finite, and how many lie outside a range that is only known
// in the end. So one pass over the data is enough.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "calibrate/value_counter.hpp"

namespace detent {

// Values are counted in bins of a float32's sign, exponent and first seven bits of mantissa: each
// is at most 1/128 of its value wide. Exact under any order, split or grouping of the same data.
//
// Memory  1 KiB for each power of two that occurs, 512 KiB at most
class ValueTally {
 public:
  void add(const ValueCounter& counted);
  void merge(const ValueTally& other);

  std::uint64_t finite() const { return finite_; }
  std::uint64_t non_finite() const { return non_finite_; }
  double min() const { return min_; }  // of the finite values; +inf when there are none
  double max() const { return max_; }  // -inf
  // The fraction of the finite values outside [low, high]: exactly 0 when there are none, otherwise
  // values are taken to be spread evenly within a bin that holds an end of the range.
  double fraction_outside(double low, double high) const;

  void save(std::string& out) const;  // little-endian; equal tallies give equal bytes
  // Replaces what was counted. The bytes are untrusted. False when they are not those of a tally;
  // it is then empty.
  bool load(std::string_view bytes);

 private:
  static constexpr std::size_t kPages = ValueCounter::kPages;
  static constexpr std::size_t kBins = ValueCounter::kBins;
  using Page = std::array<std::uint64_t, kBins>;

  Page& page(std::size_t index);

  std::array<std::unique_ptr<Page>, kPages> pages_;
  std::uint64_t finite_ = 0;
  std::uint64_t non_finite_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

}  // namespace detent
