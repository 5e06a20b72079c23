// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/affine.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace detent::kernels {
namespace {

constexpr double kSmallest = std::numeric_limits<float>::min();
// A little less than the largest float32, so that a scale rounded upwards does not exceed it.
constexpr double kLargest = std::numeric_limits<float>::max() * (1 - 0x1p-23);

// Of the code that lies farthest from the zero point, scale times steps is finite in float32.
float to_scale(double scale, Codes codes, double zero) noexcept {
  return static_cast<float>(
      std::min(scale, kLargest / std::max(codes.max - zero, zero - codes.min)));
}

AffineParams choose_symmetric(double lo, double hi, Codes codes) noexcept {
  const std::int32_t zero = codes.min < 0 ? 0 : codes.min + (codes.max - codes.min + 1) / 2;
  const double scale = std::max(-lo, hi) / (static_cast<double>(codes.max) - zero);
  return {scale < kSmallest ? 1.0F : to_scale(scale, codes, zero), zero};
}

AffineParams choose_asymmetric(double lo, double hi, Codes codes) noexcept {
  const double steps = static_cast<double>(codes.max) - codes.min;
  const double width = hi - lo;
  // hi - lo overflows only when the data is float64 and reaches its limits.
  const double scale = std::isfinite(width) ? width / steps : hi / steps - lo / steps;
  if (scale < kSmallest) return {1.0F, std::clamp(0, codes.min, codes.max)};
  const double zero = std::clamp<double>(std::nearbyint(codes.min - lo / scale),  // ties to even
                                         codes.min, codes.max);
  return {to_scale(scale, codes, zero), static_cast<std::int32_t>(zero)};
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
