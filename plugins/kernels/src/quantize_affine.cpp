// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/quantize_affine.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

#include "fetch_ahead.hpp"
#include "sum_order.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quantize_affine.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "affine_steps.hpp"
#include "load_float.hpp"
#include "near_steps.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class T, class Code>
HWY_INLINE void quantize_vector(D df, const T* x, const StepLimits& limits, AffineParams params,
                                Code* q) {
  const hn::Rebind<std::int32_t, D> di32;
  const hn::Rebind<Code, D> dq;
  const auto steps = hn::ConvertTo(di32, round_to_steps(df, load_float(df, x), limits));
  hn::StoreU(hn::DemoteTo(dq, hn::Add(steps, hn::Set(di32, params.zero_point))), dq, q);
}

template <class T, class Code>
HWY_INLINE void quantize_run(const T* x, std::size_t n, const StepLimits& limits,
                             AffineParams params, Code* q) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) quantize_vector(df, x + i, limits, params, q + i);
  for (; i < n; ++i) quantize_vector(d1, x + i, limits, params, q + i);
}

#if HWY_TARGET == HWY_SCALAR
template <class T, class Code>
HWY_INLINE void quantize(const T* x, std::size_t n, AffineParams params, Codes codes, Code* q) {
  quantize_run(x, n, StepLimits(params, codes), params, q);
}
#else
// Codes of four vectors; false, and nothing written, where a lane is not sure.
template <class T, class Code>
HWY_INLINE bool quantize_near(const T* x, const NearBounds& bounds, std::int32_t zero_point,
                              Code* q) {
  const Floats df;
  const hn::Repartition<std::uint8_t, Floats> du8;
  const hn::Repartition<std::uint32_t, Floats> du32;
  const std::size_t lanes = hn::Lanes(df);
  auto sure = hn::FirstN(df, lanes);
  const auto a = near_steps(df, load_float(df, x), bounds, sure);
  const auto b = near_steps(df, load_float(df, x + lanes), bounds, sure);
  const auto c = near_steps(df, load_float(df, x + 2 * lanes), bounds, sure);
  const auto d = near_steps(df, load_float(df, x + 3 * lanes), bounds, sure);
  if (HWY_UNLIKELY(!hn::AllTrue(df, sure))) return false;
  auto bytes = hn::BitCast(du32, sort_bytes(join_low_bytes(a, b, c, d)));
  if (lanes == 8) {  // a, b, c and d lie in two halves each
    alignas(32) static constexpr std::uint32_t kFrom[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    bytes = hn::TableLookupLanes(bytes, hn::SetTableIndices(du32, kFrom));
  }
  const auto zero = hn::Set(du8, static_cast<std::uint8_t>(zero_point));
  hn::StoreU(hn::Add(hn::BitCast(du8, bytes), zero), du8, reinterpret_cast<std::uint8_t*>(q));
  return true;
}

template <class T, class Code>
HWY_INLINE void quantize(const T* x, std::size_t n, AffineParams params, Codes codes, Code* q) {
  const StepLimits limits(params, codes);
  const NearBounds bounds = near_bounds(params, codes);
  const std::size_t unit = 4 * hn::Lanes(Floats());
  const bool fetch = n * sizeof(T) <= kFetchBytes;
  std::size_t i = 0;
  for (; i + unit <= n; i += unit) {
    if (fetch) fetch_ahead(x + i, unit, n);
    if (HWY_UNLIKELY(!quantize_near(x + i, bounds, params.zero_point, q + i)))
      quantize_run(x + i, unit, limits, params, q + i);
  }
  quantize_run(x + i, n - i, limits, params, q + i);
}
#endif

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

void quantize_f32_i8(const float* x, std::size_t n, AffineParams p, Codes codes, std::int8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_f32_u8(const float* x, std::size_t n, AffineParams p, Codes codes, std::uint8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_f64_i8(const double* x, std::size_t n, AffineParams p, Codes codes, std::int8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_f64_u8(const double* x, std::size_t n, AffineParams p, Codes codes, std::uint8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_f16_i8(const Half* x, std::size_t n, AffineParams p, Codes codes, std::int8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_f16_u8(const Half* x, std::size_t n, AffineParams p, Codes codes, std::uint8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_bf16_i8(const BFloat16* x, std::size_t n, AffineParams p, Codes codes,
                      std::int8_t* q) {
  quantize(x, n, p, codes, q);
}
void quantize_bf16_u8(const BFloat16* x, std::size_t n, AffineParams p, Codes codes,
                      std::uint8_t* q) {
  quantize(x, n, p, codes, q);
}
void dequantize_i8(const std::int8_t* q, std::size_t n, AffineParams p, float* x) {
  dequantize_run(q, n, p, x);
}
void dequantize_u8(const std::uint8_t* q, std::size_t n, AffineParams p, float* x) {
  dequantize_run(q, n, p, x);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(quantize_f32_i8);
HWY_EXPORT(quantize_f32_u8);
HWY_EXPORT(quantize_f64_i8);
HWY_EXPORT(quantize_f64_u8);
HWY_EXPORT(quantize_f16_i8);
HWY_EXPORT(quantize_f16_u8);
HWY_EXPORT(quantize_bf16_i8);
HWY_EXPORT(quantize_bf16_u8);
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

template <>
void quantize_affine(const float* x, std::size_t n, AffineParams params, Codes codes,
                     std::int8_t* q) {
  assert(codes.min >= -128 && codes.max <= 127);
  HWY_DYNAMIC_DISPATCH(quantize_f32_i8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const float* x, std::size_t n, AffineParams params, Codes codes,
                     std::uint8_t* q) {
  assert(codes.min >= 0 && codes.max <= 255);
  HWY_DYNAMIC_DISPATCH(quantize_f32_u8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const double* x, std::size_t n, AffineParams params, Codes codes,
                     std::int8_t* q) {
  assert(codes.min >= -128 && codes.max <= 127);
  HWY_DYNAMIC_DISPATCH(quantize_f64_i8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const double* x, std::size_t n, AffineParams params, Codes codes,
                     std::uint8_t* q) {
  assert(codes.min >= 0 && codes.max <= 255);
  HWY_DYNAMIC_DISPATCH(quantize_f64_u8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const Half* x, std::size_t n, AffineParams params, Codes codes,
                     std::int8_t* q) {
  assert(codes.min >= -128 && codes.max <= 127);
  HWY_DYNAMIC_DISPATCH(quantize_f16_i8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const Half* x, std::size_t n, AffineParams params, Codes codes,
                     std::uint8_t* q) {
  assert(codes.min >= 0 && codes.max <= 255);
  HWY_DYNAMIC_DISPATCH(quantize_f16_u8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const BFloat16* x, std::size_t n, AffineParams params, Codes codes,
                     std::int8_t* q) {
  assert(codes.min >= -128 && codes.max <= 127);
  HWY_DYNAMIC_DISPATCH(quantize_bf16_i8)(x, n, params, codes, q);
}
template <>
void quantize_affine(const BFloat16* x, std::size_t n, AffineParams params, Codes codes,
                     std::uint8_t* q) {
  assert(codes.min >= 0 && codes.max <= 255);
  HWY_DYNAMIC_DISPATCH(quantize_bf16_u8)(x, n, params, codes, q);
}

void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::int8_t* q) {
  quantize_affine(x.data(), x.size(), params, codes, q);
}

void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::uint8_t* q) {
  quantize_affine(x.data(), x.size(), params, codes, q);
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
