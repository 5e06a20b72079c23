// SPDX-License-Identifier: Apache-2.0
#include "int4_groups.hpp"

#include <algorithm>
#include <limits>

#include "affine_limits.hpp"
#include "fetch_ahead.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "int4_groups.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "load_float.hpp"
#include "near_steps.hpp"

#ifndef DETENT_KERNELS_INT4_GROUPS  // once, not for each target
#define DETENT_KERNELS_INT4_GROUPS
namespace detent::kernels {

// Groups that are looked at together: their parameters are vectors, and their elements are still in
// the first-level cache when these are known. Even, so that two halves of a vector's bytes are in
// one batch.
constexpr std::size_t kGroups = 64;
constexpr std::size_t kElements = 4096;

constexpr std::size_t groups_at_once(std::size_t group_size) {
  return std::clamp(kElements / group_size, std::size_t{2}, kGroups) / 2 * 2;
}

struct GroupBatch {
  alignas(64) float lo[kGroups] = {};  // of symmetric mappings only hi, the largest magnitude
  alignas(64) float hi[kGroups] = {};
  alignas(64) float scale[kGroups] = {};
  alignas(64) std::int32_t zero[kGroups] = {};
  // Of NearBounds.
  alignas(64) float low[kGroups] = {};
  alignas(64) float high[kGroups] = {};
  alignas(64) float lowest[kGroups] = {};
  alignas(64) float highest[kGroups] = {};

  NearBounds bounds(std::size_t g) const { return {low[g], high[g], lowest[g], highest[g]}; }
};

}  // namespace detent::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

using Words = hn::Repartition<std::int32_t, Floats>;

// Magnitudes as integers ascend as they do as numbers, and what is not finite is above all others.
HWY_INLINE hn::Vec<Words> magnitude_bits(hn::Vec<Floats> x) {
  return hn::BitCast(Words(), hn::Abs(x));
}

// The largest magnitudes, group by group; false where an element is not finite.
template <class T>
HWY_INLINE bool find_magnitudes(const T* x, std::size_t groups, std::size_t size,
                                GroupBatch& batch) {
  const Floats df;
  const Words di;
  const std::size_t lanes = hn::Lanes(df);
  auto all = hn::Zero(di);
  for (std::size_t g = 0; g < groups; ++g, x += size) {
    auto a = magnitude_bits(load_float(df, x));
    auto b = magnitude_bits(load_float(df, x + lanes));
    for (std::size_t i = 2 * lanes; i < size; i += 2 * lanes) {
      a = hn::Max(a, magnitude_bits(load_float(df, x + i)));
      b = hn::Max(b, magnitude_bits(load_float(df, x + i + lanes)));
    }
    const auto most = hn::MaxOfLanes(di, hn::Max(a, b));
    all = hn::Max(all, most);
    batch.hi[g] = hn::GetLane(hn::BitCast(df, most));
  }
  return hn::GetLane(all) < 0x7F800000;
}

template <class T>
HWY_INLINE bool find_ranges(const T* x, std::size_t groups, std::size_t size, GroupBatch& batch) {
  const Floats df;
  const Words di;
  const std::size_t lanes = hn::Lanes(df);
  auto all = hn::Zero(di);
  for (std::size_t g = 0; g < groups; ++g, x += size) {
    auto lo = load_float(df, x);
    auto hi = lo;
    all = hn::Max(all, magnitude_bits(lo));
    for (std::size_t i = lanes; i < size; i += lanes) {
      const auto v = load_float(df, x + i);
      lo = hn::Min(lo, v);
      hi = hn::Max(hi, v);
      all = hn::Max(all, magnitude_bits(v));
    }
    batch.lo[g] = hn::GetLane(hn::MinOfLanes(df, lo));
    batch.hi[g] = hn::GetLane(hn::MaxOfLanes(df, hi));
  }
  return hn::GetLane(hn::MaxOfLanes(di, all)) < 0x7F800000;
}

// choose_affine's own steps for ranges of finite float32, in the same order of the same roundings.
template <class D>
struct Chosen {
  hn::Vec<D> scale;
  hn::Vec<D> zero;
};

template <class D>
HWY_INLINE Chosen<D> choose_symmetric(D d, hn::Vec<D> most, Codes codes) {
  const double divisor = symmetric_divisor(codes, {});
  const double middle = codes.max - divisor;
  const auto scale = hn::Div(most, hn::Set(d, divisor));
  const auto limit = hn::Set(d, kLargest / std::max(codes.max - middle, middle - codes.min));
  const auto tiny = hn::Lt(scale, hn::Set(d, kSmallest));
  return {hn::IfThenElse(tiny, hn::Set(d, 1.0), hn::Min(scale, limit)), hn::Set(d, middle)};
}

template <class D>
HWY_INLINE Chosen<D> choose_asymmetric(D d, hn::Vec<D> min, hn::Vec<D> max, Codes codes) {
  const auto magic = hn::Set(d, 0x1.8p52);  // rounds to an integer, ties to even
  const auto lowest = hn::Set(d, static_cast<double>(codes.min));
  const auto highest = hn::Set(d, static_cast<double>(codes.max));
  const auto lo = hn::Min(hn::Zero(d), min);
  const auto hi = hn::Max(hn::Zero(d), max);
  const auto scale =
      hn::Div(hn::Sub(hi, lo), hn::Set(d, static_cast<double>(codes.max) - codes.min));
  const auto tiny = hn::Lt(scale, hn::Set(d, kSmallest));
  const auto steps = hn::Sub(lowest, hn::Div(lo, scale));
  const auto rounded = hn::Sub(hn::Add(steps, magic), magic);
  const auto none = hn::Set(d, static_cast<double>(std::clamp(0, codes.min, codes.max)));
  const auto zero = hn::IfThenElse(tiny, none, hn::Clamp(rounded, lowest, highest));
  const auto farthest = hn::Max(hn::Sub(highest, zero), hn::Sub(zero, lowest));
  const auto limit = hn::Div(hn::Set(d, kLargest), farthest);
  return {hn::IfThenElse(tiny, hn::Set(d, 1.0), hn::Min(scale, limit)), zero};
}

HWY_INLINE void choose(GroupBatch& batch, std::size_t groups, const Int4Rounding& how,
                       AffineParams* params) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> df;
  const hn::Rebind<std::int32_t, decltype(d)> di;
  const auto load = [&](const float* from)
                        HWY_ATTR { return hn::PromoteTo(d, hn::LoadU(df, from)); };
  for (std::size_t g = 0; g < groups; g += hn::Lanes(d)) {
    const auto chosen =
        how.mapping == Mapping::symmetric
            ? choose_symmetric(d, load(batch.hi + g), how.codes)
            : choose_asymmetric(d, load(batch.lo + g), load(batch.hi + g), how.codes);
    hn::StoreU(hn::DemoteTo(df, chosen.scale), df, batch.scale + g);
    hn::StoreU(hn::DemoteTo(di, chosen.zero), di, batch.zero + g);
  }
  for (std::size_t g = 0; g < groups; ++g) params[g] = {batch.scale[g], batch.zero[g]};
}

// Four vectors of elements as packed codes, in every other lane: those of their first, third,
// second and fourth.
template <class T>
HWY_INLINE hn::Vec<hn::Repartition<std::uint32_t, Floats>> pack_half(const T* x,
                                                                     const NearBounds& bounds,
                                                                     std::int32_t zero,
                                                                     hn::Mask<Floats>& sure) {
  const Floats df;
  const hn::Repartition<std::uint8_t, Floats> du8;
  const hn::Repartition<std::uint32_t, Floats> du32;
  const hn::Repartition<std::uint64_t, Floats> du64;
  const std::size_t lanes = hn::Lanes(df);
  const auto a = near_steps(df, load_float(df, x), bounds, sure);
  const auto b = near_steps(df, load_float(df, x + lanes), bounds, sure);
  const auto c = near_steps(df, load_float(df, x + 2 * lanes), bounds, sure);
  const auto d = near_steps(df, load_float(df, x + 3 * lanes), bounds, sure);
  const auto codes =
      hn::Add(join_low_bytes(a, b, c, d), hn::Set(du8, static_cast<std::uint8_t>(zero)));
  const auto nibbles = hn::BitCast(du64, hn::And(codes, hn::Set(du8, std::uint8_t{15})));
  return hn::BitCast(du32, hn::Or(nibbles, hn::ShiftRight<28>(nibbles)));
}

// Of both halves, the bytes in the order of the elements.
HWY_INLINE void store_halves(hn::Vec<hn::Repartition<std::uint32_t, Floats>> first,
                             hn::Vec<hn::Repartition<std::uint32_t, Floats>> second,
                             std::uint8_t* bytes) {
  const hn::Repartition<std::uint8_t, Floats> du8;
  const hn::Repartition<std::uint32_t, Floats> du32;
  const auto both = hn::BitCast(du8, hn::ConcatEven(du32, second, first));
  if (hn::Lanes(Floats()) == 8) {
    hn::StoreU(sort_bytes(both), du8, bytes);
  } else {  // both halves in 128 bits
    alignas(16) static constexpr std::uint8_t kFrom[16] = {0, 4,  2,  6,  1, 5,  3,  7,
                                                           8, 12, 10, 14, 9, 13, 11, 15};
    hn::StoreU(hn::TableLookupBytes(both, hn::LoadDup128(du8, kFrom)), du8, bytes);
  }
}

// Whole units of two halves; the number of elements done.
template <bool kFetch, class T>
HWY_INLINE std::size_t pack_groups(const T* x, std::size_t n, const GroupBatch& batch,
                                   RowGroups groups, Codes codes, std::uint8_t* bytes) {
  const Floats df;
  const std::size_t half = 4 * hn::Lanes(df);
  std::size_t g = 0;
  std::size_t left = groups.group_size;  // of group g
  const auto next = [&]() {
    left -= half;
    if (left != 0) return;
    ++g;
    left = groups.group_size;
  };
  std::size_t i = 0;
  for (; i + 2 * half <= n; i += 2 * half) {
    if constexpr (kFetch) fetch_ahead(x + i, 2 * half, n);  // the next batch, or row
    auto sure = hn::FirstN(df, hn::Lanes(df));
    const auto first = pack_half(x + i, batch.bounds(g), batch.zero[g], sure);
    next();
    const auto second = pack_half(x + i + half, batch.bounds(g), batch.zero[g], sure);
    next();
    store_halves(first, second, bytes + i / 2);
    if (HWY_UNLIKELY(!hn::AllTrue(df, sure)))
      quantize_int4_runs(x, i, i + 2 * half, groups, codes, bytes);
  }
  return i;
}

// near_bounds of each group.
HWY_INLINE void set_bounds(GroupBatch& batch, std::size_t groups, Codes codes) {
  const Floats df;
  const Words di;
  const auto nan = hn::Set(df, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t g = 0; g < groups; g += hn::Lanes(df)) {
    const auto scale = hn::Load(df, batch.scale + g);
    const auto zero = hn::ConvertTo(df, hn::Load(di, batch.zero + g));
    const auto inverse = hn::Div(hn::Set(df, 1.0F), scale);
    const auto usable =
        hn::And(hn::Ge(scale, hn::Set(df, kNearLeast)), hn::Le(scale, hn::Set(df, kNearMost)));
    const auto low = hn::IfThenElse(usable, hn::Mul(inverse, hn::Set(df, kBelow)), nan);
    hn::Store(low, df, batch.low + g);
    hn::Store(hn::Mul(inverse, hn::Set(df, kAbove)), df, batch.high + g);
    const auto lowest = hn::Set(df, kStepMagic + static_cast<float>(codes.min));
    const auto highest = hn::Set(df, kStepMagic + static_cast<float>(codes.max));
    hn::Store(hn::Sub(lowest, zero), df, batch.lowest + g);
    hn::Store(hn::Sub(highest, zero), df, batch.highest + g);
  }
}

template <class T>
HWY_INLINE std::size_t quantize_all(const T* x, std::size_t n, RowGroups groups, Codes codes,
                                    std::uint8_t* bytes) {
  const std::size_t whole = n / groups.group_size;
  const std::size_t at_once = groups_at_once(groups.group_size);
  GroupBatch batch;
  for (std::size_t g = 0; g < whole; g += at_once) {
    const std::size_t count = std::min(at_once, whole - g);
    const RowGroups part{groups.group_size, groups.params + g};
    for (std::size_t k = 0; k < count; ++k) {
      batch.scale[k] = part.params[k].scale;
      batch.zero[k] = part.params[k].zero_point;
    }
    set_bounds(batch, count, codes);
    const std::size_t begin = g * groups.group_size;
    const std::size_t size = count * groups.group_size;
    const std::size_t done =
        pack_groups<false>(x + begin, size, batch, part, codes, bytes + begin / 2);
    if (done != size) return begin + done;
  }
  return whole * groups.group_size;
}

template <class T>
HWY_INLINE RoundedGroups round_all(const T* x, std::size_t n, const Int4Rounding& how,
                                   AffineParams* params, std::uint8_t* bytes) {
  const std::size_t whole = n / how.group_size;
  const std::size_t at_once = groups_at_once(how.group_size);
  GroupBatch batch;
  std::size_t done = 0;
  for (std::size_t g = 0; g < whole; g += at_once) {
    const std::size_t count = std::min(at_once, whole - g);
    const std::size_t begin = g * how.group_size;
    const bool finite = how.mapping == Mapping::symmetric
                            ? find_magnitudes(x + begin, count, how.group_size, batch)
                            : find_ranges(x + begin, count, how.group_size, batch);
    if (!finite) return {false, 0, 0};
    choose(batch, count, how, params + g);
    set_bounds(batch, count, how.codes);
    done = begin + pack_groups<true>(x + begin, count * how.group_size, batch,
                                     {how.group_size, params + g}, how.codes, bytes + begin / 2);
  }
  return {true, whole, done};
}

#else  // the caller does what is left, one element at a time

template <class T>
HWY_INLINE std::size_t quantize_all(const T*, std::size_t, RowGroups, Codes, std::uint8_t*) {
  return 0;
}
template <class T>
HWY_INLINE RoundedGroups round_all(const T*, std::size_t, const Int4Rounding&, AffineParams*,
                                   std::uint8_t*) {
  return {true, 0, 0};
}

#endif

}  // namespace

std::size_t quantize_f32(const float* x, std::size_t n, RowGroups groups, Codes codes,
                         std::uint8_t* bytes) {
  return quantize_all(x, n, groups, codes, bytes);
}
std::size_t quantize_f16(const Half* x, std::size_t n, RowGroups groups, Codes codes,
                         std::uint8_t* bytes) {
  return quantize_all(x, n, groups, codes, bytes);
}
std::size_t quantize_bf16(const BFloat16* x, std::size_t n, RowGroups groups, Codes codes,
                          std::uint8_t* bytes) {
  return quantize_all(x, n, groups, codes, bytes);
}
std::size_t quantize_f64(const double* x, std::size_t n, RowGroups groups, Codes codes,
                         std::uint8_t* bytes) {
  return quantize_all(x, n, groups, codes, bytes);
}
RoundedGroups round_f32(const float* x, std::size_t n, const Int4Rounding& how,
                        AffineParams* params, std::uint8_t* bytes) {
  return round_all(x, n, how, params, bytes);
}
RoundedGroups round_f16(const Half* x, std::size_t n, const Int4Rounding& how, AffineParams* params,
                        std::uint8_t* bytes) {
  return round_all(x, n, how, params, bytes);
}
RoundedGroups round_bf16(const BFloat16* x, std::size_t n, const Int4Rounding& how,
                         AffineParams* params, std::uint8_t* bytes) {
  return round_all(x, n, how, params, bytes);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(quantize_f32);
HWY_EXPORT(quantize_f16);
HWY_EXPORT(quantize_bf16);
HWY_EXPORT(quantize_f64);
HWY_EXPORT(round_f32);
HWY_EXPORT(round_f16);
HWY_EXPORT(round_bf16);

template <>
std::size_t quantize_whole_groups(const float* x, std::size_t n, RowGroups groups, Codes codes,
                                  std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(quantize_f32)(x, n, groups, codes, bytes);
}
template <>
std::size_t quantize_whole_groups(const Half* x, std::size_t n, RowGroups groups, Codes codes,
                                  std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(quantize_f16)(x, n, groups, codes, bytes);
}
template <>
std::size_t quantize_whole_groups(const BFloat16* x, std::size_t n, RowGroups groups, Codes codes,
                                  std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(quantize_bf16)(x, n, groups, codes, bytes);
}
template <>
std::size_t quantize_whole_groups(const double* x, std::size_t n, RowGroups groups, Codes codes,
                                  std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(quantize_f64)(x, n, groups, codes, bytes);
}
template <>
RoundedGroups round_whole_groups(const float* x, std::size_t n, const Int4Rounding& how,
                                 AffineParams* params, std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(round_f32)(x, n, how, params, bytes);
}
template <>
RoundedGroups round_whole_groups(const Half* x, std::size_t n, const Int4Rounding& how,
                                 AffineParams* params, std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(round_f16)(x, n, how, params, bytes);
}
template <>
RoundedGroups round_whole_groups(const BFloat16* x, std::size_t n, const Int4Rounding& how,
                                 AffineParams* params, std::uint8_t* bytes) {
  return HWY_DYNAMIC_DISPATCH(round_bf16)(x, n, how, params, bytes);
}

}  // namespace detent::kernels
#endif
