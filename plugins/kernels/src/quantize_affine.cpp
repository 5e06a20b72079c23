// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/quantize_affine.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

#include "sum_order.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quantize_affine.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "affine_steps.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class Code>
HWY_INLINE void quantize_vector(D df, const float* x, const StepLimits& limits, AffineParams params,
                                Code* q) {
  const hn::Rebind<std::int32_t, D> di32;
  const hn::Rebind<Code, D> dq;
  const auto steps = hn::ConvertTo(di32, round_to_steps(df, hn::LoadU(df, x), limits));
  hn::StoreU(hn::DemoteTo(dq, hn::Add(steps, hn::Set(di32, params.zero_point))), dq, q);
}

template <class Code>
void quantize(const float* x, std::size_t n, AffineParams params, Codes codes, Code* q) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const StepLimits limits(params, codes);
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) quantize_vector(df, x + i, limits, params, q + i);
  for (; i < n; ++i) quantize_vector(d1, x + i, limits, params, q + i);
}

template <class D, class Code>
HWY_INLINE void dequantize_vector(D df, const Code* q, AffineParams params, float* x) {
  const hn::Rebind<std::int32_t, D> di32;
  const hn::Rebind<Code, D> dq;
  const auto code = hn::PromoteTo(di32, hn::LoadU(dq, q));
  const auto steps = hn::ConvertTo(df, hn::Sub(code, hn::Set(di32, params.zero_point)));
  hn::StoreU(hn::Mul(steps, hn::Set(df, params.scale)), df, x);
}

template <class Code>
void dequantize(const Code* q, std::size_t n, AffineParams params, float* x) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) dequantize_vector(df, q + i, params, x + i);
  for (; i < n; ++i) dequantize_vector(d1, q + i, params, x + i);
}

// Squared errors of the elements i with i % kErrorSums in [lane, lane + Lanes), whole blocks only.
template <class Dd>
HWY_INLINE void sum_errors(Dd dd, const float* x, std::size_t blocks, const StepLimits& limits,
                           double* sums) {
  const hn::Rebind<float, Dd> df;
  const auto scale = hn::Set(df, limits.scale);
  auto sum = hn::Zero(dd);
  for (std::size_t b = 0; b < blocks; ++b) {
    const auto real = hn::LoadU(df, x + b * kErrorSums);
    const auto back = hn::Mul(round_to_steps(df, real, limits), scale);
    const auto error = hn::Sub(hn::PromoteTo(dd, real), hn::PromoteTo(dd, back));
    sum = hn::Add(sum, hn::Mul(error, error));
  }
  hn::StoreU(sum, dd, sums);
}

}  // namespace

// The order of the additions is the reference's, whatever the width of a vector.
void squared_errors(const float* x, std::size_t blocks, AffineParams params, Codes codes,
                    double* sums) {
  const hn::CappedTag<double, kErrorSums> dd;
  const StepLimits limits(params, codes);
  for (std::size_t lane = 0; lane < kErrorSums; lane += hn::Lanes(dd))
    sum_errors(dd, x + lane, blocks, limits, sums + lane);
}

void quantize_i8(const float* x, std::size_t n, AffineParams p, Codes codes, std::int8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_u8(const float* x, std::size_t n, AffineParams p, Codes codes, std::uint8_t* q) {
  quantize(x, n, p, codes, q);
}
void dequantize_i8(const std::int8_t* q, std::size_t n, AffineParams p, float* x) {
  dequantize(q, n, p, x);
}
void dequantize_u8(const std::uint8_t* q, std::size_t n, AffineParams p, float* x) {
  dequantize(q, n, p, x);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(quantize_i8);
HWY_EXPORT(quantize_u8);
HWY_EXPORT(dequantize_i8);
HWY_EXPORT(dequantize_u8);
HWY_EXPORT(squared_errors);

namespace {

double squared_error_ref(float x, AffineParams params, Codes codes) {
  const std::int32_t code = quantize_affine_ref(x, params, codes);
  const double error = static_cast<double>(x) - dequantize_affine_ref(code, params);
  return error * error;
}

}  // namespace

void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::int8_t* q) {
  assert(codes.min >= -128 && codes.max <= 127);
  HWY_DYNAMIC_DISPATCH(quantize_i8)(x.data(), x.size(), params, codes, q);
}

void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::uint8_t* q) {
  assert(codes.min >= 0 && codes.max <= 255);
  HWY_DYNAMIC_DISPATCH(quantize_u8)(x.data(), x.size(), params, codes, q);
}

void dequantize_affine(std::span<const std::int8_t> q, AffineParams params, float* x) {
  HWY_DYNAMIC_DISPATCH(dequantize_i8)(q.data(), q.size(), params, x);
}

void dequantize_affine(std::span<const std::uint8_t> q, AffineParams params, float* x) {
  HWY_DYNAMIC_DISPATCH(dequantize_u8)(q.data(), q.size(), params, x);
}

std::int32_t quantize_affine_ref(float x, AffineParams params, Codes codes) {
  if (std::isnan(x)) return params.zero_point;
  const float lowest = static_cast<float>(codes.min - params.zero_point);
  const float highest = static_cast<float>(codes.max - params.zero_point);
  const float steps = std::nearbyint(std::clamp(x / params.scale, lowest, highest));
  return static_cast<std::int32_t>(steps) + params.zero_point;
}

float dequantize_affine_ref(std::int32_t q, AffineParams params) {
  return static_cast<float>(q - params.zero_point) * params.scale;
}

double squared_error(std::span<const float> x, AffineParams params, Codes codes) {
  double sums[kErrorSums] = {};
  const std::size_t blocks = x.size() / kErrorSums;
  HWY_DYNAMIC_DISPATCH(squared_errors)(x.data(), blocks, params, codes, sums);
  for (std::size_t i = blocks * kErrorSums; i < x.size(); ++i)
    sums[i % kErrorSums] += squared_error_ref(x[i], params, codes);
  return add_pairwise(sums);
}

double squared_error_ref(std::span<const float> x, AffineParams params, Codes codes) {
  double sums[kErrorSums] = {};
  for (std::size_t i = 0; i < x.size(); ++i)
    sums[i % kErrorSums] += squared_error_ref(x[i], params, codes);
  return add_pairwise(sums);
}

}  // namespace detent::kernels
#endif
