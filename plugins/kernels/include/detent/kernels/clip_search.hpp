// SPDX-License-Identifier: Apache-2.0
// search_clip: how much of a range to give up so that what is left is quantized best.
//
//   p = 1 - i / grid for i = 0, 1, ... below maxshrink * grid: the range [p lo, p hi]
//
// Sources   the `mse` quantizer of GPTQ (Frantar et al., arXiv:2210.17323; its code's norm 2.4,
// grid
//           100, maxshrink 0.8), OMSE (Choukroun et al., arXiv:1902.06822), and the mse and imatrix
//           observers of llm-compressor. With separate_ends, which they do not have, each end of an
//           asymmetric range moves on its own afterwards: first the upper one over the same grid,
//           then the lower one
// Range     widened to hold zero, on both sides alike when the mapping is symmetric
// Choice    the smallest error; p = 1 is the first candidate, and another wins by more than 1e-9 of
//           the error only, so whoever adds up the errors in another order does not find it worse
//           than plain rounding. So of equals the larger p wins
// Patience  this many candidates in a row without a better one end a pass (0: never)
// Errors    none. Requires a finite range that is not empty, codes as choose_affine requires them,
//           grid >= 1, maxshrink in [0, 1]
// Truth     the test's plain loops over the same grid, and those of GPTQ in float64
#pragma once
#include <algorithm>
#include <cstdint>

#include "detent/kernels/affine.hpp"
#include "detent/kernels/range_search.hpp"

namespace detent::kernels {

struct ClipGrid {
  std::int64_t grid;
  double maxshrink;
  std::int64_t patience;
  bool separate_ends;

  // At least one: the range as it is.
  std::int64_t candidates() const noexcept {
    const auto below = static_cast<std::int64_t>(maxshrink * static_cast<double>(grid));
    return std::max<std::int64_t>(1, std::min(below, grid));
  }
  double part(std::int64_t i) const noexcept {
    return 1.0 - static_cast<double>(i) / static_cast<double>(grid);
  }
};

// What plain rounding maps: widened to hold zero; both sides alike when symmetric.
inline Range plain_range(const Range& range, Mapping mapping) noexcept {
  const Range widened = widen_to_zero(range);
  if (mapping == Mapping::asymmetric) return widened;
  const double most = std::max(-widened.lo, widened.hi);
  return {0.0 - most, most};  // 0 - 0 is +0
}

// The search, apart from what an error is.
template <class Error>
class ClipSearch {
 public:
  ClipSearch(const Range& range, const SearchTarget& target, const ClipGrid& grid, Error& error)
      : whole_(plain_range(range, target.mapping)),
        best_(whole_),
        target_(target),
        grid_(grid),
        error_of_(error),
        error_(error(params(whole_))) {}

  Range run() {
    shrink([&](double part) { return Range{whole_.lo * part, whole_.hi * part}; }, 1);
    const bool one_end =
        target_.mapping == Mapping::symmetric || !(whole_.lo < 0.0 && whole_.hi > 0.0);
    if (one_end || !grid_.separate_ends) return best_;
    const double lo = best_.lo;
    shrink([&](double part) { return Range{lo, whole_.hi * part}; }, 0);
    const double hi = best_.hi;
    shrink([&](double part) { return Range{whole_.lo * part, hi}; }, 0);
    return best_;
  }

 private:
  static constexpr double kWorthwhile = 1.0 - 1e-9;

  AffineParams params(const Range& range) const noexcept {
    return choose_affine(range.lo, range.hi, target_.codes, target_.mapping, target_.rule);
  }

  template <class MakeRange>
  void shrink(MakeRange make_range, std::int64_t first) {
    std::int64_t without_gain = 0;
    for (std::int64_t i = first; i < grid_.candidates() && error_ > 0.0; ++i) {
      const Range candidate = make_range(grid_.part(i));
      const double error = error_of_(params(candidate));
      if (error < error_ * kWorthwhile) {
        best_ = candidate;
        error_ = error;
        without_gain = 0;
      } else if (++without_gain == grid_.patience) {
        return;
      }
    }
  }

  Range whole_;
  Range best_;
  SearchTarget target_;
  ClipGrid grid_;
  Error& error_of_;
  double error_;
};

// error(const AffineParams&) is what the mapping costs: finite, >= 0, always the same.
template <class Error>
Range search_clip(const Range& range, const SearchTarget& target, const ClipGrid& grid,
                  Error&& error) {
  return ClipSearch(range, target, grid, error).run();
}

}  // namespace detent::kernels
