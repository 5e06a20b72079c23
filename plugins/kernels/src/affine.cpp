// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/affine.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "affine_limits.hpp"

namespace detent::kernels {
namespace {

// Of the code that lies farthest from the zero point, scale times steps is finite in float32.
float to_scale(double scale, Codes codes, double zero) noexcept {
  return static_cast<float>(
      std::min(scale, kLargest / std::max(codes.max - zero, zero - codes.min)));
}

// The code of zero under a symmetric mapping.
std::int32_t middle_of(Codes codes) noexcept {
  return codes.min < 0 ? 0 : codes.min + (codes.max - codes.min + 1) / 2;
}

AffineParams zero_range(Codes codes, Mapping mapping, const AffineRule& rule) noexcept {
  return {rule.min_scale > 0 ? static_cast<float>(rule.min_scale) : 1.0F,
          mapping == Mapping::symmetric ? middle_of(codes) : std::clamp(0, codes.min, codes.max)};
}

template <class Real>
Real zero_point(Real lo, Real scale, Codes codes, const AffineRule& rule) noexcept {
  const auto lowest = static_cast<Real>(codes.min);
  const Real steps = lo / scale;
  // Ties to even: the default mode.
  return rule.round_lo_first ? lowest - std::nearbyint(steps) : std::nearbyint(lowest - steps);
}

// Real is the arithmetic that the rule asks for.
template <class Real>
AffineParams choose(Real lo, Real hi, Codes codes, Mapping mapping,
                    const AffineRule& rule) noexcept {
  const bool symmetric = mapping == Mapping::symmetric;
  const auto divisor = static_cast<Real>(symmetric ? symmetric_divisor(codes, rule)
                                                   : static_cast<double>(codes.max) - codes.min);
  // hi - lo overflows only when the data reaches the limits of its type.
  const Real width = symmetric ? std::max(-lo, hi) : hi - lo;
  Real scale = std::isfinite(width) ? width / divisor : hi / divisor - lo / divisor;
  if (!rule.floor_zero_only) scale = std::max(scale, static_cast<Real>(rule.min_scale));
  if (double{scale} < kSmallest) return zero_range(codes, mapping, rule);
  const double zero =
      symmetric ? middle_of(codes)
                : std::clamp<double>(zero_point(lo, scale, codes, rule), codes.min, codes.max);
  return {to_scale(double{scale}, codes, zero), static_cast<std::int32_t>(zero)};
}

float to_float(double end) noexcept {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(end, -kMost, kMost));
}

}  // namespace

Range widen_to_zero(const Range& range) noexcept {
  constexpr double kMost = std::numeric_limits<double>::max();
  if (range.empty()) return {0.0, 0.0};
  return {std::max(std::min(0.0, range.lo), -kMost), std::min(std::max(0.0, range.hi), kMost)};
}

double symmetric_divisor(Codes codes, const AffineRule& rule) noexcept {
  if (rule.half_range) return (static_cast<double>(codes.max) - codes.min) / 2;
  return static_cast<double>(codes.max) - middle_of(codes);
}

AffineParams choose_affine(double min, double max, Codes codes, Mapping mapping,
                           const AffineRule& rule) noexcept {
  assert(codes.min < codes.max && codes.max > 0);
  const Range range = widen_to_zero({min, max});
  if (rule.float32) return choose(to_float(range.lo), to_float(range.hi), codes, mapping, rule);
  return choose(range.lo, range.hi, codes, mapping, rule);
}

}  // namespace detent::kernels
