// SPDX-License-Identifier: Apache-2.0
// write_qparams, write_minmax, write_counts: what observers put into the host's sink.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <detent/kernels/affine.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Errors  NOT_READY: no slot has a finite value
inline void require_observed(const std::vector<kernels::Range>& ranges) {
  for (const kernels::Range& range : ranges)
    if (!range.empty()) return;
  throw sdk::Error(DETENT_E_NOT_READY,
                   "no data observed: no batch held a finite value\n"
                   "check the calibration data, and that it reaches this tensor");
}

// Errors  INVALID_ARG: codes that no affine mapping has
inline kernels::Codes read_codes(const detent_qspec& target) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 24;  // float32 holds every code exactly
  if (target.qmin >= target.qmax || target.qmin < -kLimit || target.qmax > kLimit ||
      target.qmax <= 0)
    throw sdk::Error(DETENT_E_INVALID_ARG, "codes " + std::to_string(target.qmin) + " to " +
                                               std::to_string(target.qmax) +
                                               " cannot hold an affine mapping");
  return {static_cast<std::int32_t>(target.qmin), static_cast<std::int32_t>(target.qmax)};
}

// Errors  UNSUPPORTED: a rule from after this was compiled
inline kernels::AffineRule read_rule(const detent_qspec& target) {
  // A host from before these fields has no rules of its own.
  const bool has_rules = target.struct_size >= DETENT_SIZE_UPTO(detent_qspec, affine_rules);
  const bool has_least = target.struct_size >= DETENT_SIZE_UPTO(detent_qspec, min_scale);
  const std::uint64_t rules = has_rules ? target.affine_rules : 0;
  if ((rules & ~DETENT_AFFINE_ALL) != 0)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     "the target has rules for its scales that this observer does not know");
  const auto has = [&](std::uint64_t flag) { return (rules & flag) != 0; };
  return {has(DETENT_AFFINE_HALF_RANGE), has(DETENT_AFFINE_ROUND_LO_FIRST),
          has(DETENT_AFFINE_FLOAT32), has(DETENT_AFFINE_FLOOR_ZERO_ONLY),
          has_least ? target.min_scale : 0};
}

template <class T>
T* create_output(const sdk::Sink& out, const char* name, const std::vector<std::int64_t>& shape) {
  T* const created = out.create<T>(name, shape);
  if (created == nullptr)
    throw sdk::Error(DETENT_E_NO_MEMORY, std::string("the host refused the result ") + name);
  return created;
}

// f(static_cast<T*>(nullptr)) with the integer type T of zero points.
template <class F>
void visit_zero_type(detent_dtype dtype, F&& f) {
  switch (dtype) {
    case DETENT_I8: return f(static_cast<std::int8_t*>(nullptr));
    case DETENT_U8: return f(static_cast<std::uint8_t*>(nullptr));
    case DETENT_I32: return f(static_cast<std::int32_t*>(nullptr));
    case DETENT_I64: return f(static_cast<std::int64_t*>(nullptr));
    default:
      throw sdk::Error(
          DETENT_E_UNSUPPORTED,
          "zero points are int8, uint8, int32 or int64, not dtype " + std::to_string(dtype));
  }
}

// Zero points lie among the codes, so a type that holds all codes holds every zero point.
inline void check_target(const detent_qspec& target, kernels::Codes codes, bool zero_points) {
  if (target.scale_dtype != DETENT_F32)
    throw sdk::Error(DETENT_E_UNSUPPORTED,
                     "scales are float32, not dtype " + std::to_string(target.scale_dtype));
  if (!zero_points) return;
  visit_zero_type(target.zero_dtype, [&]<class T>(T*) {
    if (codes.min < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
        codes.max > static_cast<std::int64_t>(std::numeric_limits<T>::max()))
      throw sdk::Error(DETENT_E_INVALID_ARG, "the zero_dtype of the target cannot hold the codes " +
                                                 std::to_string(codes.min) + " to " +
                                                 std::to_string(codes.max));
  });
}

// "scale" (f32), "zero_point" and "range_min"/"range_max" (f64) of the chosen ranges, of the given
// shape. An empty range among others counts as a zero range. range_min and range_max are what is
// mapped to the codes: widened to hold zero, and for a symmetric target the same on both sides.
// Symmetric unsigned codes have a zero point (128), so it is written; symmetric signed ones have
// none.
//
// Errors  NOT_READY (no range at all), INVALID_ARG (codes, zero points), UNSUPPORTED (dtypes); then
//         nothing was written
inline sdk::Status write_qparams(const std::vector<kernels::Range>& ranges,
                                 const std::vector<std::int64_t>& shape, const detent_qspec& target,
                                 const sdk::Sink& out) {
  require_observed(ranges);
  const kernels::Codes codes = read_codes(target);
  const kernels::AffineRule rule = read_rule(target);
  const bool symmetric = target.symmetric != 0;
  const bool has_zero_points = !symmetric || codes.min >= 0;
  check_target(target, codes, has_zero_points);
  float* const scale = create_output<float>(out, "scale", shape);
  double* const lo = create_output<double>(out, "range_min", shape);
  double* const hi = create_output<double>(out, "range_max", shape);
  std::vector<std::int32_t> zero_points(ranges.size());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const kernels::Range widened = kernels::widen_to_zero(ranges[i]);
    const kernels::AffineParams params =
        kernels::choose_affine(widened.lo, widened.hi, codes, symmetric, rule);
    const double most = std::max(widened.hi, -widened.lo);
    scale[i] = params.scale;
    zero_points[i] = params.zero_point;
    lo[i] = symmetric ? 0.0 - most : widened.lo;  // 0 - 0 is +0
    hi[i] = symmetric ? most : widened.hi;
  }
  if (!has_zero_points) return {};
  visit_zero_type(target.zero_dtype, [&]<class T>(T*) {
    T* const made = create_output<T>(out, "zero_point", shape);
    for (std::size_t i = 0; i < zero_points.size(); ++i) made[i] = static_cast<T>(zero_points[i]);
  });
  return {};
}

// "stat:minmax/1". A slot without a finite value, among others that have one, reads 0 and 0.
//
// Errors  NOT_READY: no range at all
inline sdk::Status write_minmax(const std::vector<kernels::Range>& ranges,
                                const std::vector<std::int64_t>& shape, const sdk::Sink& out) {
  require_observed(ranges);
  double* const lo = create_output<double>(out, "min", shape);
  double* const hi = create_output<double>(out, "max", shape);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    lo[i] = ranges[i].empty() ? 0.0 : ranges[i].lo;
    hi[i] = ranges[i].empty() ? 0.0 : ranges[i].hi;
  }
  return {};
}

// "stat:counts/1": the elements that were finite, and those that were not.
inline sdk::Status write_counts(std::uint64_t finite, std::uint64_t non_finite,
                                const sdk::Sink& out) {
  *create_output<std::int64_t>(out, "observed", {}) = static_cast<std::int64_t>(finite);
  *create_output<std::int64_t>(out, "non_finite", {}) = static_cast<std::int64_t>(non_finite);
  return {};
}

}  // namespace detent
