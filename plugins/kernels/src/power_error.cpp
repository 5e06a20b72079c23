// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/power_error.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "detent/kernels/quantize_affine.hpp"
#include "power_series.hpp"
#include "sum_order.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "power_error.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "affine_steps.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// c[First] + c[First + 1] x + ... of N terms, by halves (Estrin): x1 is x, x2 its square, and so
// on.
template <std::size_t First, std::size_t N, class D, class V = hn::Vec<D>>
HWY_INLINE V sum_terms(D d, const double* c, V x1, V x2, V x4, V x8) {
  if constexpr (N == 1) {
    return hn::Set(d, c[First]);
  } else {
    constexpr std::size_t kLow = std::bit_floor(N - 1);
    const V power = kLow == 1 ? x1 : kLow == 2 ? x2 : kLow == 4 ? x4 : x8;
    return hn::Add(sum_terms<First, kLow>(d, c, x1, x2, x4, x8),
                   hn::Mul(power, sum_terms<First + kLow, N - kLow>(d, c, x1, x2, x4, x8)));
  }
}

template <std::size_t N, class D>
HWY_INLINE hn::Vec<D> polynomial(D d, const double (&c)[N], hn::Vec<D> x) {
  static_assert(N <= 16);
  const auto x2 = hn::Mul(x, x);
  const auto x4 = hn::Mul(x2, x2);
  return sum_terms<0, N>(d, c, x, x2, x4, hn::Mul(x4, x4));
}

template <class D>
HWY_INLINE hn::Vec<D> log2(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto one = hn::Set(d, 1.0);
  const auto bits = hn::BitCast(du, x);
  const auto biased = hn::Add(bits, hn::Set(du, kOneBits - kRootHalfBits));
  const auto exponent = hn::Or(hn::ShiftRight<52>(biased), hn::Set(du, kTwo52Bits));
  const auto k = hn::Sub(hn::BitCast(d, exponent), hn::Set(d, kTwo52 + kBias));
  const auto scaled = hn::Sub(bits, hn::And(biased, hn::Set(du, kExponentMask)));
  const auto m = hn::BitCast(d, hn::Add(scaled, hn::Set(du, kOneBits)));
  const auto s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  return hn::Add(k, hn::Mul(s, polynomial(d, kLog2, hn::Mul(s, s))));
}

template <class D>
HWY_INLINE hn::Vec<D> exp2(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const auto magic = hn::Set(d, kRoundToInteger);
  const auto y = hn::Max(hn::Min(x, hn::Set(d, kLargestExponent)), hn::Set(d, -kLargestExponent));
  const auto t = hn::Add(y, magic);
  const auto fraction = hn::Sub(y, hn::Sub(t, magic));
  const auto mantissa = hn::BitCast(du, polynomial(d, kExp2, fraction));
  return hn::BitCast(d, hn::Add(mantissa, hn::ShiftLeft<52>(hn::BitCast(du, t))));
}

struct FirstPower {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D, hn::Vec<D> a) const {
    return a;
  }
};
struct SecondPower {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D, hn::Vec<D> a) const {
    return hn::Mul(a, a);
  }
};
struct ThirdPower {
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D, hn::Vec<D> a) const {
    return hn::Mul(hn::Mul(a, a), a);
  }
};
struct AnyPower {
  double power;
  template <class D>
  HWY_INLINE hn::Vec<D> operator()(D d, hn::Vec<D> a) const {
    const auto raised = exp2(d, hn::Mul(hn::Set(d, power), log2(d, a)));
    return hn::IfThenZeroElse(hn::Eq(a, hn::Zero(d)), raised);
  }
};

// Of the elements i with i % kErrorSums in [lane, lane + Lanes), whole blocks only.
template <bool kWeighted, class Dd, class Power>
HWY_INLINE void sum_powers(Dd dd, const float* x, const double* importance, std::size_t blocks,
                           const StepLimits& limits, double per_unit, Power power, double* sums) {
  const hn::Rebind<float, Dd> df;
  const auto scale = hn::Set(df, limits.scale);
  const auto factor = hn::Set(dd, per_unit);
  auto sum = hn::Zero(dd);
  for (std::size_t b = 0; b < blocks; ++b) {
    const auto real = hn::LoadU(df, x + b * kErrorSums);
    const auto back = hn::Mul(round_to_steps(df, real, limits), scale);
    const auto error = hn::Sub(hn::PromoteTo(dd, real), hn::PromoteTo(dd, back));
    auto cost = power(dd, hn::Abs(hn::Mul(error, factor)));
    if constexpr (kWeighted) cost = hn::Mul(hn::LoadU(dd, importance + b * kErrorSums), cost);
    sum = hn::Add(sum, cost);
  }
  hn::StoreU(sum, dd, sums);
}

template <class Power>
void sum_lanes(const float* x, const double* importance, std::size_t blocks,
               const StepLimits& limits, double per_unit, Power power, double* sums) {
  const hn::CappedTag<double, kErrorSums> dd;
  for (std::size_t lane = 0; lane < kErrorSums; lane += hn::Lanes(dd)) {
    if (importance == nullptr) {
      sum_powers<false>(dd, x + lane, nullptr, blocks, limits, per_unit, power, sums + lane);
    } else {
      sum_powers<true>(dd, x + lane, importance + lane, blocks, limits, per_unit, power,
                       sums + lane);
    }
  }
}

}  // namespace

void power_errors(const float* x, const double* importance, std::size_t blocks, AffineParams params,
                  Codes codes, ErrorNorm norm, double* sums) {
  const StepLimits limits(params, codes);
  const double per_unit = 1.0 / norm.unit;
  if (norm.power == 1.0) {
    sum_lanes(x, importance, blocks, limits, per_unit, FirstPower{}, sums);
  } else if (norm.power == 2.0) {
    sum_lanes(x, importance, blocks, limits, per_unit, SecondPower{}, sums);
  } else if (norm.power == 3.0) {
    sum_lanes(x, importance, blocks, limits, per_unit, ThirdPower{}, sums);
  } else {
    sum_lanes(x, importance, blocks, limits, per_unit, AnyPower{norm.power}, sums);
  }
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(power_errors);

namespace {

double polynomial(const double* c, std::size_t n, double x) {
  if (n == 1) return c[0];
  const std::size_t low = std::bit_floor(n - 1);
  double power = x;
  for (std::size_t i = 1; i < low; i *= 2) power *= power;
  return polynomial(c, low, x) + power * polynomial(c + low, n - low, x);
}

double log2_ref(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t biased = bits + (kOneBits - kRootHalfBits);
  const double k = static_cast<double>(biased >> 52) - kBias;
  const double m = std::bit_cast<double>(bits - (biased & kExponentMask) + kOneBits);
  const double s = (m - 1.0) / (m + 1.0);
  return k + s * polynomial(kLog2, std::size(kLog2), s * s);
}

double exp2_ref(double x) {
  const double y = std::max(std::min(x, kLargestExponent), -kLargestExponent);
  const double t = y + kRoundToInteger;
  const double fraction = y - (t - kRoundToInteger);
  const auto mantissa = std::bit_cast<std::uint64_t>(polynomial(kExp2, std::size(kExp2), fraction));
  return std::bit_cast<double>(mantissa + (std::bit_cast<std::uint64_t>(t) << 52));
}

double cost_ref(float x, AffineParams params, Codes codes, ErrorNorm norm) {
  const std::int32_t code = quantize_affine_ref(x, params, codes);
  const double error = static_cast<double>(x) - dequantize_affine_ref(code, params);
  const double a = std::abs(error * (1.0 / norm.unit));
  if (norm.power == 1.0) return a;
  if (norm.power == 2.0) return a * a;
  if (norm.power == 3.0) return a * a * a;
  return power_ref(a, norm.power);
}

void add_costs_ref(std::span<const float> x, const double* importance, AffineParams params,
                   Codes codes, ErrorNorm norm, std::size_t first, double* sums) {
  for (std::size_t i = first; i < x.size(); ++i) {
    const double cost = cost_ref(x[i], params, codes, norm);
    sums[i % kErrorSums] += importance == nullptr ? cost : importance[i] * cost;
  }
}

}  // namespace

double power_ref(double base, double power) {
  return base == 0.0 ? 0.0 : exp2_ref(power * log2_ref(base));
}

double power_error(std::span<const float> x, const double* importance, AffineParams params,
                   Codes codes, ErrorNorm norm) {
  double sums[kErrorSums] = {};
  const std::size_t blocks = x.size() / kErrorSums;
  HWY_DYNAMIC_DISPATCH(power_errors)(x.data(), importance, blocks, params, codes, norm, sums);
  add_costs_ref(x, importance, params, codes, norm, blocks * kErrorSums, sums);
  return add_pairwise(sums);
}

double power_error_ref(std::span<const float> x, const double* importance, AffineParams params,
                       Codes codes, ErrorNorm norm) {
  double sums[kErrorSums] = {};
  add_costs_ref(x, importance, params, codes, norm, 0, sums);
  return add_pairwise(sums);
}

}  // namespace detent::kernels
#endif
