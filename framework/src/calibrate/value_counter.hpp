// SPDX-License-Identifier: Apache-2.0
// ValueCounter: counts the values of one tensor, for the tallies of all sites that it is seen at.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <limits>
#include <vector>

namespace detent {

// The bins are those of ValueTally: a float32's sign, exponent and first seven bits of mantissa.
//
// Memory   512 KiB, of which only what the values reach is used
// Threads  one at a time
class ValueCounter {
 public:
  static constexpr std::size_t kPages = 512;  // sign and exponent
  static constexpr std::size_t kBins = 128;   // of a page

  ValueCounter() : counts_(2 * kPages * kBins) {}

  // Forgets what was counted before. x is compact; of a type without fractions nothing is counted.
  // Float64 is counted as float32.
  //
  // Errors  Error{quantization}: x has 2^32 values or more
  void count(const detent_tensor& x);

  std::uint64_t finite() const { return finite_; }
  std::uint64_t non_finite() const { return non_finite_; }
  double min() const { return min_; }  // of the finite values; of equal zeros the first
  double max() const { return max_; }
  const std::vector<std::size_t>& pages() const { return pages_; }  // those with finite values
  std::uint64_t in_bin(std::size_t page, std::size_t bin) const {
    const std::size_t at = 2 * (page * kBins + bin);
    return std::uint64_t{counts_[at]} + counts_[at + 1];
  }

 private:
  void clear();
  template <class T, class Convert>
  void count_converted(const void* data, std::size_t n, Convert convert);
  void count_floats(const void* data, std::size_t n);
  void count_block(const void* floats, std::size_t n);
  void include(const void* floats, std::size_t n);
  void include_one_by_one(const void* floats, std::size_t n);
  void find_pages(std::uint64_t n);
  std::uint64_t take_non_finite();

  // Two counts for each bin, of values at even and at odd places: of a value that comes many times
  // in a row, each would wait until the count before it is written.
  std::vector<std::uint32_t> counts_;
  std::vector<std::size_t> pages_;
  std::uint64_t finite_ = 0;
  std::uint64_t non_finite_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

}  // namespace detent
