// SPDX-License-Identifier: Apache-2.0
// round_to_steps: a vector of float32 in whole steps of a scale, for every kernel that quantizes;
// dequantize_run: codes of one scale and back.
// Included once for each target of Highway, after hwy/highway.h, as its own headers are.
#if defined(DETENT_KERNELS_AFFINE_STEPS) == defined(HWY_TARGET_TOGGLE)
#ifdef DETENT_KERNELS_AFFINE_STEPS
#undef DETENT_KERNELS_AFFINE_STEPS
#else
#define DETENT_KERNELS_AFFINE_STEPS
#endif

#include <cstddef>
#include <cstdint>

#include "detent/kernels/affine.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

struct StepLimits {
  StepLimits(AffineParams params, Codes codes)
      : scale(params.scale),
        lowest(static_cast<float>(codes.min - params.zero_point)),
        highest(static_cast<float>(codes.max - params.zero_point)) {}
  float scale;
  float lowest;
  float highest;
};

// code - zero_point as an exact integer in float32. Clamps before it rounds, and rounds by adding
// 1.5 * 2^23: the IEEE addition takes ties to even alike on every target. (Highway 1.0's scalar
// Round takes 0.49999997 to 1, and float to int32 out of range differs between targets.)
template <class D>
HWY_INLINE hn::Vec<D> round_to_steps(D df, hn::Vec<D> x, const StepLimits& limits) {
  const auto magic = hn::Set(df, 12582912.0F);
  const auto number = hn::IfThenZeroElse(hn::IsNaN(x), x);
  const auto quotient = hn::Div(number, hn::Set(df, limits.scale));
  const auto clamped = hn::Clamp(quotient, hn::Set(df, limits.lowest), hn::Set(df, limits.highest));
  return hn::Sub(hn::Add(clamped, magic), magic);
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
HWY_INLINE void dequantize_run(const Code* q, std::size_t n, AffineParams params, float* x) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) dequantize_vector(df, q + i, params, x + i);
  for (; i < n; ++i) dequantize_vector(d1, q + i, params, x + i);
}

}  // namespace
}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
