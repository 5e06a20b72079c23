// SPDX-License-Identifier: Apache-2.0
// put_affine: from the ranges that an observer found to the "scale" and "zero_point" that it owes.
//
//   real = scale * (code - zero_point)
//
// Rounding  all in float64, ties to even; the scale is stored as f32
// Special   the range is widened to hold zero, so that zero has an exact code. A scale below the
//           smallest normal f32 counts as a zero range: scale 1, zeros stay exact zeros. A scale
//           with which a code would stand for more than the largest f32 becomes smaller
// Rule      min_scale and affine_rules of the target are honoured: see DETENT_AFFINE_ in abi/base.h
// Truth     the built-in observers give the same numbers for the same ranges
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "exchange.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

struct Affine {
  float scale;
  int64_t zero_point;
};

namespace detail {
// Whether the target asks for one of the DETENT_AFFINE_ flags.
inline bool has_rule(const detent_qspec& target, uint64_t flag) noexcept {
  return target.struct_size >= DETENT_SIZE_UPTO(detent_qspec, affine_rules) &&
         (target.affine_rules & flag) != 0;
}
inline double min_scale(const detent_qspec& target) noexcept {
  return target.struct_size >= DETENT_SIZE_UPTO(detent_qspec, min_scale) ? target.min_scale : 0;
}

// Real is double, or float for DETENT_AFFINE_FLOAT32.
template <class Real>
Affine choose_affine(Real lo, Real hi, const detent_qspec& target) noexcept {
  const auto qmin = static_cast<Real>(target.qmin), qmax = static_cast<Real>(target.qmax);
  const bool symmetric = target.symmetric != 0;
  const Real middle = qmin < 0 ? 0 : qmin + std::floor((qmax - qmin + 1) / 2);  // 128 for 0..255
  Real divisor = symmetric ? qmax - middle : qmax - qmin;
  if (symmetric && has_rule(target, DETENT_AFFINE_HALF_RANGE)) divisor = (qmax - qmin) / 2;
  Real scale = symmetric ? std::max(-lo, hi) / divisor : hi / divisor - lo / divisor;
  if (!symmetric && std::isfinite(hi - lo)) scale = (hi - lo) / divisor;

  const double least = min_scale(target);
  const bool floor_zero_only = has_rule(target, DETENT_AFFINE_FLOOR_ZERO_ONLY);
  if (!floor_zero_only) scale = std::max(scale, static_cast<Real>(least));
  Real zero = middle;
  if (scale < std::numeric_limits<float>::min()) {
    if (!symmetric) zero = std::min(std::max(Real{0}, qmin), qmax);
    scale = least > 0 ? static_cast<Real>(least) : Real{1};
  } else if (!symmetric) {
    const Real steps = lo / scale;
    const bool lo_first = has_rule(target, DETENT_AFFINE_ROUND_LO_FIRST);
    zero = lo_first ? qmin - std::nearbyint(steps) : std::nearbyint(qmin - steps);
    zero = std::min(std::max(zero, qmin), qmax);
  }
  // A little less than the largest f32: a scale rounded upwards must not exceed it.
  constexpr double kLargest = std::numeric_limits<float>::max() * (1 - 1.0 / 8388608);
  const double most = kLargest / static_cast<double>(std::max(qmax - zero, zero - qmin));
  return {static_cast<float>(std::min<double>(scale, most)), static_cast<int64_t>(zero)};
}
}  // namespace detail

// An infinite end counts as the largest number. Requires target.qmin < target.qmax and target.qmax
// > 0.
inline Affine choose_affine(double lo, double hi, const detent_qspec& target) noexcept {
  const bool is_float = detail::has_rule(target, DETENT_AFFINE_FLOAT32);
  const double most =
      is_float ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  lo = std::max(std::min(0.0, lo), -most), hi = std::min(std::max(0.0, hi), most);
  if (!is_float) return detail::choose_affine(lo, hi, target);
  return detail::choose_affine(static_cast<float>(lo), static_cast<float>(hi), target);
}

namespace detail {
template <class T>
Status put_integers(const Sink& out, const char* name, const std::vector<int64_t>& shape,
                    const std::vector<int64_t>& values) {
  T* made = out.create<T>(name, shape);
  if (made == nullptr && !values.empty())
    return {DETENT_E_NO_MEMORY, std::string("the host gave no room for ") + name};
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
        values[i] > static_cast<int64_t>(std::numeric_limits<T>::max()))
      return {DETENT_E_INVALID_ARG, "zero point " + std::to_string(values[i]) +
                                        " does not fit the zero_dtype of the target"};
    made[i] = static_cast<T>(values[i]);
  }
  return {};
}
inline Status put_zero_points(const Sink& out, detent_dtype dtype,
                              const std::vector<int64_t>& shape,
                              const std::vector<int64_t>& values) {
  switch (dtype) {
    case DETENT_I8: return put_integers<int8_t>(out, "zero_point", shape, values);
    case DETENT_U8: return put_integers<uint8_t>(out, "zero_point", shape, values);
    case DETENT_I32: return put_integers<int32_t>(out, "zero_point", shape, values);
    case DETENT_I64: return put_integers<int64_t>(out, "zero_point", shape, values);
    default: return {DETENT_E_UNSUPPORTED, "zero points are int8, uint8, int32 or int64"};
  }
}
}  // namespace detail

// One scale and, unless the target is symmetric and signed, one zero point for each [lo[i], hi[i]].
inline Status put_affine(const Sink& out, const detent_qspec& target,
                         const std::vector<int64_t>& shape, const std::vector<double>& lo,
                         const std::vector<double>& hi) {
  constexpr int64_t kLimit = int64_t{1} << 24;  // f32 holds every code exactly
  if (target.qmin >= target.qmax || target.qmax <= 0 || target.qmin < -kLimit ||
      target.qmax > kLimit)
    return {DETENT_E_INVALID_ARG, "the target's codes cannot hold an affine mapping"};
  if (target.scale_dtype != DETENT_F32) return {DETENT_E_UNSUPPORTED, "scales are f32"};
  if (detail::has_rule(target, ~DETENT_AFFINE_ALL))
    return {DETENT_E_UNSUPPORTED, "the target has rules for its scales that are not known here"};
  float* scale = out.create<float>("scale", shape);
  if (scale == nullptr && !lo.empty())
    return {DETENT_E_NO_MEMORY, "the host gave no room for scale"};
  std::vector<int64_t> zero_points(lo.size());
  for (size_t i = 0; i < lo.size(); ++i) {
    const Affine affine = choose_affine(lo[i], hi[i], target);
    scale[i] = affine.scale;
    zero_points[i] = affine.zero_point;
  }
  if (target.symmetric != 0 && target.qmin < 0) return {};
  return detail::put_zero_points(out, target.zero_dtype, shape, zero_points);
}

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
