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

#include "load_float.hpp"

// The conversion from float32 to Half is done with float32 arithmetic and integers on targets
// without an instruction for it: Highway's emulation has other roundings and other NaNs.
// Source: Marat Dukhan, github.com/Maratyszcza/FP16.
HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE void store_half(D df, hn::Vec<D> x, Half* to) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)
  const hn::Rebind<std::int16_t, D> di16;
  const hn::RebindToSigned<D> di32;
  const auto bits = hn::BitCast(di16, hn::DemoteTo(hn::Rebind<hwy::float16_t, D>(), x));
  // One NaN for all of them; a true mask of 32 bits is one of 16.
  const auto nan = hn::DemoteTo(di16, hn::BitCast(di32, hn::VecFromMask(df, hn::IsNaN(x))));
  const auto sign = hn::And(bits, hn::Set(di16, std::int16_t{-0x8000}));
  const auto quiet = hn::Or(sign, hn::Set(di16, std::int16_t{0x7E00}));
  hn::StoreU(hn::IfThenElse(hn::MaskFromVec(nan), quiet, bits), di16,
             reinterpret_cast<std::int16_t*>(to));
#else
  const hn::RebindToUnsigned<D> du32;
  const hn::Rebind<std::uint16_t, D> du16;
  const auto word = hn::BitCast(du32, x);
  const auto twice = hn::Add(word, word);
  const auto sign = hn::And(word, hn::Set(du32, 0x80000000U));
  // Adding a power of two that is 13 bits above the value's own rounds to Half's 10 bits of
  // fraction.
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
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> clamp_to_half(D df, hn::Vec<D> x) {
  const auto limit = hn::Set(df, 65504.0F);
  const auto clamped = hn::CopySign(hn::Min(hn::Abs(x), limit), x);
  return hn::IfThenElse(hn::IsNaN(x), x, clamped);
}

// Cut off towards zero, with the last bit set when anything was cut off ("round to odd"): float32
// has more than two bits to spare over Half, so rounding that again gives what one rounding would.
template <class D>
HWY_INLINE hn::Vec<D> to_odd(D d, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  constexpr std::uint64_t kCut = (std::uint64_t{1} << 29U) - 1;  // bits that float32 does not have
  const auto bits = hn::BitCast(du, x);
  const auto rest = hn::And(bits, hn::Set(du, kCut));
  const auto any = hn::And(hn::Add(rest, hn::Set(du, kCut)), hn::Set(du, kCut + 1));
  const auto odd = hn::BitCast(d, hn::Or(hn::AndNot(hn::Set(du, kCut), bits), any));
  return hn::IfThenElse(hn::IsNaN(x), x, odd);  // not an infinity
}

template <class D>
HWY_INLINE hn::Vec<D> load_for_half(D df, const float* x) {
  return hn::LoadU(df, x);
}

template <class D>
HWY_INLINE hn::Vec<D> load_for_half(D df, const double* x) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) > 1) {
    const hn::Half<D> dh;
    const hn::Rebind<double, decltype(dh)> dd;
    const auto low = hn::DemoteTo(dh, to_odd(dd, hn::LoadU(dd, x)));
    const auto high = hn::DemoteTo(dh, to_odd(dd, hn::LoadU(dd, x + hn::Lanes(dh))));
    return hn::Combine(df, high, low);
  }
#endif
  const hn::CappedTag<double, 1> one;
  const hn::CappedTag<float, 1> to;
  return hn::Set(df, hn::GetLane(hn::DemoteTo(to, to_odd(one, hn::LoadU(one, x)))));
}

// 1 more in each lane whose value is beyond Half.
template <class D, class T>
HWY_INLINE void to_half(D df, const T* from, HalfOverflow overflow, Half* to,
                        hn::Vec<hn::RebindToSigned<D>>& beyond) {
  const auto x = load_for_half(df, from);
  const bool clamp = overflow == HalfOverflow::clamp;
  store_half(df, clamp ? clamp_to_half(df, x) : x, to);
  const auto is_beyond = hn::Gt(hn::Abs(x), hn::Set(df, 65504.0F));
  beyond = hn::Sub(beyond, hn::BitCast(hn::RebindToSigned<D>(), hn::VecFromMask(df, is_beyond)));
}

template <class D>
HWY_INLINE std::uint64_t sum_lanes(D di, hn::Vec<D> v) {
  HWY_ALIGN std::int32_t lanes[hn::MaxLanes(D())];
  hn::Store(v, di, lanes);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < hn::Lanes(di); ++i) sum += static_cast<std::uint32_t>(lanes[i]);
  return sum;
}

// n below 2^31: what a lane counts.
template <class T>
HWY_INLINE std::uint64_t to_half_all(const T* from, std::size_t n, HalfOverflow overflow,
                                     Half* to) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::RebindToSigned<decltype(d1)> di1;
  const std::size_t lanes = hn::Lanes(df);
  auto beyond = hn::Zero(di);
  auto last_beyond = hn::Zero(di1);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) to_half(df, from + i, overflow, to + i, beyond);
  for (; i < n; ++i) to_half(d1, from + i, overflow, to + i, last_beyond);
  return sum_lanes(di, beyond) + sum_lanes(di1, last_beyond);
}

template <class T>
HWY_INLINE void to_float_all(const T* from, std::size_t n, float* to) {
  const hn::ScalableTag<float> df;
  const hn::CappedTag<float, 1> d1;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(load_float(df, from + i), df, to + i);
  for (; i < n; ++i) hn::StoreU(load_float(d1, from + i), d1, to + i);
}

}  // namespace

void floats_of_f16(const Half* from, std::size_t n, float* to) { to_float_all(from, n, to); }
void floats_of_bf16(const BFloat16* from, std::size_t n, float* to) { to_float_all(from, n, to); }
void floats_of_f64(const double* from, std::size_t n, float* to) { to_float_all(from, n, to); }

std::uint64_t halfs_of_f32(const float* from, std::size_t n, HalfOverflow overflow, Half* to) {
  return to_half_all(from, n, overflow, to);
}
std::uint64_t halfs_of_f64(const double* from, std::size_t n, HalfOverflow overflow, Half* to) {
  return to_half_all(from, n, overflow, to);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(floats_of_f16);
HWY_EXPORT(floats_of_bf16);
HWY_EXPORT(floats_of_f64);
HWY_EXPORT(halfs_of_f32);
HWY_EXPORT(halfs_of_f64);

void to_float(std::span<const Half> from, float* to) {
  HWY_DYNAMIC_DISPATCH(floats_of_f16)(from.data(), from.size(), to);
}
void to_float(std::span<const BFloat16> from, float* to) {
  HWY_DYNAMIC_DISPATCH(floats_of_bf16)(from.data(), from.size(), to);
}
void to_float(std::span<const double> from, float* to) {
  HWY_DYNAMIC_DISPATCH(floats_of_f64)(from.data(), from.size(), to);
}

namespace {

template <class T, class Kernel>
std::uint64_t in_parts(std::span<const T> from, HalfOverflow overflow, Half* to, Kernel kernel) {
  constexpr std::size_t kPart = std::size_t{1} << 30U;
  std::uint64_t beyond = 0;
  for (std::size_t i = 0; i < from.size(); i += kPart)
    beyond += kernel(from.data() + i, std::min(kPart, from.size() - i), overflow, to + i);
  return beyond;
}

}  // namespace

std::uint64_t to_half(std::span<const float> from, HalfOverflow overflow, Half* to) {
  return in_parts(from, overflow, to, HWY_DYNAMIC_DISPATCH(halfs_of_f32));
}
std::uint64_t to_half(std::span<const double> from, HalfOverflow overflow, Half* to) {
  return in_parts(from, overflow, to, HWY_DYNAMIC_DISPATCH(halfs_of_f64));
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
