// SPDX-License-Identifier: Apache-2.0
// near_steps: a vector in whole steps of a scale, mostly without the division; join_low_bytes.
//
// The quotient x / scale lies between two products with numbers a little below and a little above
// 1 / scale. Where both round to the same integer, so does the quotient, because rounding is
// monotone: that integer is round_to_steps(x), to the bit. Where they do not, close to a tie, and
// for NaN, the lane is not sure and the caller divides.
// Included once for each target of Highway, after hwy/highway.h, as its own headers are.
#if defined(DETENT_KERNELS_NEAR_STEPS) == defined(HWY_TARGET_TOGGLE)
#ifdef DETENT_KERNELS_NEAR_STEPS
#undef DETENT_KERNELS_NEAR_STEPS
#else
#define DETENT_KERNELS_NEAR_STEPS
#endif

#include <cstdint>

#include "near_bounds.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// code - zero_point in the low byte of every lane, in two's complement. Clears lanes of `sure`.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> near_steps(D df, hn::Vec<D> x, const NearBounds& bounds,
                                                       hn::Mask<D>& sure) {
  const auto magic = hn::Set(df, kStepMagic);
  const auto low = hn::MulAdd(x, hn::Set(df, bounds.low), magic);
  const auto high = hn::MulAdd(x, hn::Set(df, bounds.high), magic);
  sure = hn::And(sure, hn::Eq(low, high));
  const auto clamped = hn::Clamp(low, hn::Set(df, bounds.lowest), hn::Set(df, bounds.highest));
  return hn::BitCast(hn::RebindToUnsigned<D>(), clamped);
}

#if HWY_TARGET != HWY_SCALAR

// Four or eight float32: what the shuffles below are made for.
using Floats = hn::CappedTag<float, 8>;

// Lane k of four vectors, one behind the other: the low bytes of a[k], c[k], b[k], d[k].
template <class V>
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, Floats>> join_low_bytes(V a, V b, V c, V d) {
  const hn::Repartition<std::uint16_t, Floats> du16;
  const hn::Repartition<std::uint8_t, Floats> du8;
  const auto ab = hn::OddEven(hn::BitCast(du16, hn::ShiftLeft<16>(b)), hn::BitCast(du16, a));
  const auto cd = hn::OddEven(hn::BitCast(du16, hn::ShiftLeft<16>(d)), hn::BitCast(du16, c));
  return hn::OddEven(hn::BitCast(du8, hn::ShiftLeft<8>(cd)), hn::BitCast(du8, ab));
}

// For each 128 bits: the bytes of four lanes that came from a, then b, c and d.
HWY_INLINE hn::Vec<hn::Repartition<std::uint8_t, Floats>> sort_bytes(
    hn::Vec<hn::Repartition<std::uint8_t, Floats>> joined) {
  alignas(16) static constexpr std::uint8_t kFrom[16] = {0, 4, 8, 12, 2, 6, 10, 14,
                                                         1, 5, 9, 13, 3, 7, 11, 15};
  const hn::Repartition<std::uint8_t, Floats> du8;
  return hn::TableLookupBytes(joined, hn::LoadDup128(du8, kFrom));
}

#endif

}  // namespace
}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
