// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/convert.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// The conversions between float32 and Half are done with float32 arithmetic and integers, not with
// the instruction for it: the targets without one emulate it with other roundings and other NaNs.
// Source: Marat Dukhan, github.com/Maratyszcza/FP16.
HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> half_to_float(D df, const Half* from) {
  const hn::RebindToUnsigned<D> du32;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto word = hn::ShiftLeft<16>(
      hn::PromoteTo(du32, hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(from))));
  const auto sign = hn::And(word, hn::Set(du32, 0x80000000U));
  const auto twice = hn::Add(word, word);  // without the sign
  const auto normal =
      hn::Mul(hn::BitCast(df, hn::Add(hn::ShiftRight<4>(twice), hn::Set(du32, 0xE0U << 23))),
              hn::Set(df, 0x1.0p-112F));
  const auto subnormal =
      hn::Sub(hn::BitCast(df, hn::Or(hn::ShiftRight<17>(twice), hn::Set(du32, 126U << 23))),
              hn::Set(df, 0.5F));
  const auto is_subnormal = hn::Lt(twice, hn::Set(du32, 1U << 27));
  const auto magnitude = hn::IfThenElse(hn::RebindMask(df, is_subnormal), subnormal, normal);
  return hn::BitCast(df, hn::Or(sign, hn::BitCast(du32, magnitude)));
}

// Adding a power of two that is 13 bits above the value's own rounds to Half's 10 bits of fraction.
template <class D>
HWY_INLINE void float_to_half(D df, hn::Vec<D> x, Half* to) {
  const hn::RebindToUnsigned<D> du32;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto word = hn::BitCast(du32, x);
  const auto twice = hn::Add(word, word);
  const auto sign = hn::And(word, hn::Set(du32, 0x80000000U));
  const auto exponent =
      hn::Max(hn::And(twice, hn::Set(du32, 0xFF000000U)), hn::Set(du32, 0x71000000U));
  const auto power =
      hn::BitCast(df, hn::Add(hn::ShiftRight<1>(exponent), hn::Set(du32, 0x07800000U)));
  const auto scaled =
      hn::Mul(hn::Mul(hn::Abs(x), hn::Set(df, 0x1.0p+112F)), hn::Set(df, 0x1.0p-110F));
  const auto rounded = hn::BitCast(du32, hn::Add(power, scaled));
  const auto bits = hn::Add(hn::And(hn::ShiftRight<13>(rounded), hn::Set(du32, 0x7C00U)),
                            hn::And(rounded, hn::Set(du32, 0x0FFFU)));
  const auto is_nan = hn::Gt(twice, hn::Set(du32, 0xFF000000U));
  const auto magnitude = hn::IfThenElse(is_nan, hn::Set(du32, 0x7E00U), bits);
  const auto half = hn::Or(hn::ShiftRight<16>(sign), magnitude);
  // Signed to unsigned is the narrowing that every target has; the value fits after the shift.
  const hn::RebindToSigned<decltype(du32)> di32;
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di32, half)), du16,
             reinterpret_cast<std::uint16_t*>(to));
}

template <class D>
HWY_INLINE hn::Vec<D> clamp_to_half(D df, hn::Vec<D> x) {
  const auto limit = hn::Set(df, 65504.0F);
  const auto clamped = hn::CopySign(hn::Min(hn::Abs(x), limit), x);
  return hn::IfThenElse(hn::IsNaN(x), x, clamped);
}

template <class D>
HWY_INLINE std::size_t float_to_half(D df, const float* from, HalfOverflow overflow, Half* to) {
  const auto x = hn::LoadU(df, from);
  const bool clamp = overflow == HalfOverflow::clamp;
  float_to_half(df, clamp ? clamp_to_half(df, x) : x, to);
  return hn::CountTrue(df, hn::Gt(hn::Abs(x), hn::Set(df, 65504.0F)));
}

}  // namespace

void half_to_float_all(const Half* from, std::size_t n, float* to) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(half_to_float(df, from + i), df, to + i);
  for (; i < n; ++i) hn::StoreU(half_to_float(d1, from + i), d1, to + i);
}

std::uint64_t float_to_half_all(const float* from, std::size_t n, HalfOverflow overflow, Half* to) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::uint64_t beyond = 0;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) beyond += float_to_half(df, from + i, overflow, to + i);
  for (; i < n; ++i) beyond += float_to_half(d1, from + i, overflow, to + i);
  return beyond;
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(half_to_float_all);
HWY_EXPORT(float_to_half_all);

namespace {

// Cut off towards zero, with the last bit set when anything was cut off ("round to odd"): float32
// has more than two bits to spare over Half, so rounding that again gives what one rounding would.
float to_odd(double x) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || std::isnan(x)) return nearest;
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(x)) --bits;
  return std::bit_cast<float>(bits | 1U);
}

}  // namespace

void to_float(std::span<const Half> from, float* to) {
  HWY_DYNAMIC_DISPATCH(half_to_float_all)(from.data(), from.size(), to);
}

void to_float(std::span<const BFloat16> from, float* to) {
  std::transform(from.begin(), from.end(), to, [](BFloat16 b) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(b.bits) << 16);
  });
}

void to_float(std::span<const double> from, float* to) {
  std::transform(from.begin(), from.end(), to, [](double x) { return static_cast<float>(x); });
}

std::uint64_t to_half(std::span<const float> from, HalfOverflow overflow, Half* to) {
  return HWY_DYNAMIC_DISPATCH(float_to_half_all)(from.data(), from.size(), overflow, to);
}

std::uint64_t to_half(std::span<const double> from, HalfOverflow overflow, Half* to) {
  constexpr std::size_t kBlock = 512;
  float block[kBlock];
  std::uint64_t beyond = 0;
  for (std::size_t i = 0; i < from.size(); i += kBlock) {
    const auto part = from.subspan(i, std::min(kBlock, from.size() - i));
    std::transform(part.begin(), part.end(), block, to_odd);
    beyond += to_half(std::span<const float>(block, part.size()), overflow, to + i);
  }
  return beyond;
}

float half_to_float_ref(Half from) {
  const std::uint32_t sign = static_cast<std::uint32_t>(from.bits & 0x8000U) << 16;
  const int exponent = (from.bits >> 10) & 31;
  const std::uint32_t fraction = from.bits & 1023U;
  std::uint32_t magnitude = 0x7F800000U | fraction << 13;
  if (exponent == 31 && fraction != 0) magnitude |= 0x00400000U;  // a quiet NaN
  if (exponent == 0)
    magnitude = std::bit_cast<std::uint32_t>(std::ldexp(static_cast<float>(fraction), -24));
  if (exponent > 0 && exponent < 31)
    magnitude = static_cast<std::uint32_t>(exponent + 112) << 23 | fraction << 13;
  return std::bit_cast<float>(sign | magnitude);
}

Half float_to_half_ref(float from) {
  const unsigned sign = std::signbit(from) ? 0x8000U : 0U;
  const float magnitude = std::abs(from);
  unsigned bits = 0x7E00U;  // NaN
  if (magnitude >= 65520.0F) bits = 0x7C00U;
  if (magnitude < 65520.0F) {
    // In units of the last place of its binade; a carry into the next binade is the right one.
    const int exponent = std::max(magnitude > 0.0F ? std::ilogb(magnitude) : -14, -14);
    const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    bits = static_cast<unsigned>(exponent + 14) * 1024U + units;
  }
  return {static_cast<std::uint16_t>(sign | bits)};
}

}  // namespace detent::kernels
#endif
