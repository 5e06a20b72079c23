// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/affine.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace detent::kernels {
namespace {

constexpr double kSmallest = std::numeric_limits<float>::min();
constexpr double kLargest = std::numeric_limits<float>::max();

float to_scale(double scale) noexcept { return static_cast<float>(std::min(scale, kLargest)); }

AffineParams choose_symmetric(double lo, double hi, Codes codes) noexcept {
  const std::int32_t zero = codes.min < 0 ? 0 : codes.min + (codes.max - codes.min + 1) / 2;
  const double scale = std::max(-lo, hi) / (static_cast<double>(codes.max) - zero);
  return {scale < kSmallest ? 1.0F : to_scale(scale), zero};
}

AffineParams choose_asymmetric(double lo, double hi, Codes codes) noexcept {
  const double steps = static_cast<double>(codes.max) - codes.min;
  const double width = hi - lo;
  // hi - lo overflows only when the data is float64 and reaches its limits.
  const double scale = std::isfinite(width) ? width / steps : hi / steps - lo / steps;
  if (scale < kSmallest) return {1.0F, std::clamp(0, codes.min, codes.max)};
  const double zero = std::nearbyint(codes.min - lo / scale);  // ties to even: the default mode
  return {to_scale(scale),
          static_cast<std::int32_t>(std::clamp<double>(zero, codes.min, codes.max))};
}

}  // namespace

Range widen_to_zero(const Range& range) noexcept {
  constexpr double kMost = std::numeric_limits<double>::max();
  if (range.empty()) return {0.0, 0.0};
  return {std::max(std::min(0.0, range.lo), -kMost), std::min(std::max(0.0, range.hi), kMost)};
}

AffineParams choose_affine(double min, double max, Codes codes, Mapping mapping) noexcept {
  assert(codes.min < codes.max && codes.max > 0);
  const Range range = widen_to_zero({min, max});
  return mapping == Mapping::symmetric ? choose_symmetric(range.lo, range.hi, codes)
                                       : choose_asymmetric(range.lo, range.hi, codes);
}

}  // namespace detent::kernels
