// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/histogram_count.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "fetch_ahead.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "histogram_count.cpp"
#include <hwy/foreach_target.h>
// The order matters: highway.h is included again for every target.
#include <hwy/highway.h>

#include "load_float.hpp"

#ifndef DETENT_KERNELS_HISTOGRAM_SCALE  // once, not for each target
#define DETENT_KERNELS_HISTOGRAM_SCALE
namespace detent::kernels {
// A grid in float32 or float64: exact while 2^-exponent is a normal number, see fits.
template <class Real>
struct RealGrid {
  Real scale;
  Real first;
  Real count;
  bool wide;  // bins wider than 1: values can be scaled to nothing
};
}  // namespace detent::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class T>
HWY_INLINE hn::Vec<D> load_real(D d, const T* x) {
  if constexpr (std::is_same_v<T, double>) {
    return hn::LoadU(d, x);
  } else {
    return load_float(d, x);
  }
}

// Of integers from -1 to 2^22. A float32 that is added to 1.5 * 2^23 has its integer in the lowest
// bits of the sum; ConvertTo has more to do, because it saturates.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<std::int32_t, D>> to_int(D d, hn::Vec<D> v) {
  const hn::Rebind<std::int32_t, D> di;
  if constexpr (std::is_same_v<hn::TFromD<D>, double>) {
    return hn::DemoteTo(di, v);
  } else {
    const auto magic = hn::Set(d, 12582912.0F);
    return hn::Sub(hn::BitCast(di, hn::Add(v, magic)), hn::BitCast(di, magic));
  }
}

// The bin of each element, -1 for those that have none; clears lanes of `inside` for these.
template <bool kWide, class D, class T>
HWY_INLINE void place_vector(D d, const T* x, RealGrid<hn::TFromD<D>> grid, hn::Mask<D>& inside,
                             std::int32_t* out) {
  const auto zero = hn::Zero(d);
  const auto none = hn::Set(d, hn::TFromD<D>{-1});
  const auto v = load_real(d, x);
  auto index = hn::Floor(hn::Mul(v, hn::Set(d, grid.scale)));
  // A tiny negative value can become -0 when it is scaled, whose floor is not -1.
  if constexpr (kWide) index = hn::IfThenElse(hn::Lt(v, zero), hn::Min(index, none), index);
  const auto local = hn::Sub(index, hn::Set(d, grid.first));
  const auto has_bin = hn::And(hn::Ge(local, zero), hn::Lt(local, hn::Set(d, grid.count)));
  inside = hn::And(inside, has_bin);
  const auto kept = hn::IfThenElse(has_bin, local, none);  // NaN compares false
  hn::StoreU(to_int(d, kept), hn::Rebind<std::int32_t, D>(), out);
}

// Do all elements have a bin?
template <bool kWide, class Real, class T>
HWY_INLINE bool place_all(const T* x, std::size_t n, RealGrid<Real> grid, std::int32_t* out) {
  const hn::ScalableTag<Real> d;
  const hn::CappedTag<Real, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  auto inside = hn::FirstN(d, lanes);
  auto last_inside = hn::FirstN(one, 1);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) place_vector<kWide>(d, x + i, grid, inside, out + i);
  for (; i < n; ++i) place_vector<kWide>(one, x + i, grid, last_inside, out + i);
  return hn::AllTrue(d, inside) && hn::AllTrue(one, last_inside);
}

template <class Real, class T>
HWY_INLINE bool place(const T* x, std::size_t n, const RealGrid<Real>& grid, std::int32_t* out) {
  return grid.wide ? place_all<true>(x, n, grid, out) : place_all<false>(x, n, grid, out);
}

}  // namespace

bool place_f32(const float* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return place(x, n, grid, out);
}
bool place_f64(const double* x, std::size_t n, const RealGrid<double>& grid, std::int32_t* out) {
  return place(x, n, grid, out);
}
bool place_f16(const Half* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return place(x, n, grid, out);
}
bool place_bf16(const BFloat16* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return place(x, n, grid, out);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {
namespace {

HWY_EXPORT(place_f32);
HWY_EXPORT(place_f64);
HWY_EXPORT(place_f16);
HWY_EXPORT(place_bf16);

bool place(const float* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return HWY_DYNAMIC_DISPATCH(place_f32)(x, n, grid, out);
}
bool place(const double* x, std::size_t n, const RealGrid<double>& grid, std::int32_t* out) {
  return HWY_DYNAMIC_DISPATCH(place_f64)(x, n, grid, out);
}
bool place(const Half* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return HWY_DYNAMIC_DISPATCH(place_f16)(x, n, grid, out);
}
bool place(const BFloat16* x, std::size_t n, const RealGrid<float>& grid, std::int32_t* out) {
  return HWY_DYNAMIC_DISPATCH(place_bf16)(x, n, grid, out);
}

// Values of a type have their bins' indices in it too, but 2^-exponent must be one, and the first
// bin as well: it is when the grid was chosen for values of the type.
template <class Real>
bool fits(const BinGrid& grid) {
  constexpr int kLimit = std::is_same_v<Real, float> ? 126 : 1022;
  return grid.exponent >= -kLimit && grid.exponent <= kLimit &&
         static_cast<std::int64_t>(static_cast<Real>(grid.first)) == grid.first &&
         grid.count < (1 << 22);
}

// Elements per call of the vector kernel: the places stay in the first-level cache.
constexpr std::size_t kChunk = 512;
constexpr std::size_t kSmallBins = 2048;

using Places = std::array<std::int32_t, kChunk>;

template <class Count>
void add_places(const Places& places, std::size_t n, bool all_inside, Count* even, Count* odd) {
  std::size_t i = 0;
  for (; i + 2 <= n && all_inside; i += 2) {
    ++even[places[i]];
    ++odd[places[i + 1]];
  }
  for (; i < n; ++i)
    if (places[i] >= 0) ++(i % 2 == 0 ? even : odd)[places[i]];
}

template <class T, class Real, class Count>
void count_in(const T* x, std::size_t n, const RealGrid<Real>& grid, Count* even, Count* odd) {
  Places places;
  for (std::size_t begin = 0; begin < n; begin += kChunk) {
    const std::size_t size = std::min(kChunk, n - begin);
    const bool all_inside = place(x + begin, size, grid, places.data());
    fetch_ahead(x + begin, kChunk, kChunk);
    add_places(places, size, all_inside, even, odd);
  }
}

// Two tables of 32 bits: half of the first-level cache is left to the elements. Four tables, or
// counters of 16 bits, are slower.
template <class T, class Real>
void count_in_small_tables(const T* x, std::size_t n, const RealGrid<Real>& grid, std::size_t bins,
                           std::uint64_t* counts) {
  constexpr std::size_t kPart = std::size_t{1} << 31U;  // what a counter counts
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    std::array<std::uint32_t, kSmallBins> even{};
    std::array<std::uint32_t, kSmallBins> odd{};
    count_in(x + begin, std::min(kPart, n - begin), grid, even.data(), odd.data());
    for (std::size_t i = 0; i < bins; ++i) counts[i] += std::uint64_t{even[i]} + odd[i];
  }
}

template <class T>
void count_floats(const T* x, std::size_t n, const BinGrid& grid, std::uint64_t* even,
                  std::uint64_t* odd) {
  using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;
  if (!fits<Real>(grid)) return count_bins_ref(x, n, grid, even);
  const RealGrid<Real> scaled{std::ldexp(Real{1}, -grid.exponent), static_cast<Real>(grid.first),
                              static_cast<Real>(grid.count), grid.exponent > 0};
  constexpr std::size_t kWorthwhile = 8 * kSmallBins;  // elements: small tables are added up
  if (grid.count <= std::int64_t{kSmallBins} && n >= kWorthwhile)
    return count_in_small_tables(x, n, scaled, static_cast<std::size_t>(grid.count), even);
  count_in(x, n, scaled, even, odd);
}

}  // namespace

template <class T>
void count_bins_ref(const T* x, std::size_t n, const BinGrid& grid, std::uint64_t* counts) {
  // 2^-exponent in two factors, because that of a subnormal bin width overflows.
  const double half = std::ldexp(1.0, -(grid.exponent / 2));
  const double rest = std::ldexp(1.0, -(grid.exponent - grid.exponent / 2));
  const auto first = static_cast<double>(grid.first);
  const auto count = static_cast<double>(grid.count);
  for (std::size_t i = 0; i < n; ++i) {
    const double v = to_double(x[i]);
    const double floor = std::floor(v * half * rest);
    const double local = (v < 0 ? std::min(floor, -1.0) : floor) - first;
    if (local >= 0 && local < count) ++counts[static_cast<std::size_t>(local)];
  }
}

template <class T>
void count_bins(const T* x, std::size_t n, const BinGrid& grid, std::uint64_t* even,
                std::uint64_t* odd) {
  if constexpr (std::is_integral_v<T>) {
    count_bins_ref(x, n, grid, even);
  } else {
    count_floats(x, n, grid, even, odd);
  }
}

#define DETENT_INSTANTIATE(T)                                                             \
  template void count_bins_ref<T>(const T*, std::size_t, const BinGrid&, std::uint64_t*); \
  template void count_bins<T>(const T*, std::size_t, const BinGrid&, std::uint64_t*,      \
                              std::uint64_t*);
DETENT_INSTANTIATE(float)
DETENT_INSTANTIATE(double)
DETENT_INSTANTIATE(Half)
DETENT_INSTANTIATE(BFloat16)
DETENT_INSTANTIATE(std::int8_t)
DETENT_INSTANTIATE(std::uint8_t)
DETENT_INSTANTIATE(std::int16_t)
DETENT_INSTANTIATE(std::uint16_t)
DETENT_INSTANTIATE(std::int32_t)
DETENT_INSTANTIATE(std::uint32_t)
DETENT_INSTANTIATE(std::int64_t)
DETENT_INSTANTIATE(std::uint64_t)
#undef DETENT_INSTANTIATE

}  // namespace detent::kernels
#endif
