// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/histogram_count.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "histogram_count.cpp"
#include <hwy/foreach_target.h>
// The order matters: highway.h is included again for every target.
#include <hwy/highway.h>

#ifndef DETENT_KERNELS_HISTOGRAM_SCALE  // once, not for each target
#define DETENT_KERNELS_HISTOGRAM_SCALE
namespace detent::kernels {
// A grid in float32: exact while 2^-exponent is a normal number, see fits_float.
struct FloatGrid {
  float scale;
  float first;
  float count;
};
}  // namespace detent::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// The bin of each element, -1 for those that have none.
template <class D>
HWY_INLINE void place_vector(D df, const float* x, const FloatGrid& grid, std::int32_t* out) {
  const hn::RebindToSigned<D> di;
  const auto zero = hn::Zero(df);
  const auto v = hn::LoadU(df, x);
  const auto floor = hn::Floor(hn::Mul(v, hn::Set(df, grid.scale)));
  // A tiny negative value can become -0 when it is scaled, whose floor is not -1.
  const auto index = hn::IfThenElse(hn::Lt(v, zero), hn::Min(floor, hn::Set(df, -1.0F)), floor);
  const auto local = hn::Sub(index, hn::Set(df, grid.first));
  const auto inside = hn::And(hn::Ge(local, zero), hn::Lt(local, hn::Set(df, grid.count)));
  const auto kept = hn::IfThenElse(inside, local, hn::Set(df, -1.0F));  // NaN compares false
  hn::StoreU(hn::ConvertTo(di, kept), di, out);
}

void place(const float* x, std::size_t n, const FloatGrid& grid, std::int32_t* out) {
  const hn::ScalableTag<float> df;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) place_vector(df, x + i, grid, out + i);
  for (; i < n; ++i) place_vector(hn::CappedTag<float, 1>(), x + i, grid, out + i);
}

}  // namespace
}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {
namespace {

HWY_EXPORT(place);

// Values of float32 have their bins' indices in float32 too, but 2^-exponent must be one, and the
// first bin as well: it is when the grid was chosen for float32 values.
bool fits_float(const BinGrid& grid) {
  const auto first = static_cast<double>(grid.first);
  return grid.exponent >= -126 && grid.exponent <= 126 &&
         static_cast<double>(static_cast<float>(first)) == first && grid.count < (1 << 24);
}

// Elements per call of the vector kernel: the places stay in the first-level cache.
constexpr std::size_t kChunk = 1024;

void add_places(const std::int32_t* places, std::size_t n, std::uint64_t* even,
                std::uint64_t* odd) {
  std::size_t i = 0;
  for (; i + 2 <= n; i += 2) {
    if (places[i] >= 0) ++even[places[i]];
    if (places[i + 1] >= 0) ++odd[places[i + 1]];
  }
  if (i < n && places[i] >= 0) ++even[places[i]];
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
                std::uint64_t*) {
  count_bins_ref(x, n, grid, even);
}

template <>
void count_bins<float>(const float* x, std::size_t n, const BinGrid& grid, std::uint64_t* even,
                       std::uint64_t* odd) {
  if (!fits_float(grid)) return count_bins_ref(x, n, grid, even);
  const FloatGrid scaled{std::ldexp(1.0F, -grid.exponent), static_cast<float>(grid.first),
                         static_cast<float>(grid.count)};
  std::int32_t places[kChunk];
  for (std::size_t begin = 0; begin < n; begin += kChunk) {
    const std::size_t size = std::min(kChunk, n - begin);
    HWY_DYNAMIC_DISPATCH(place)(x + begin, size, scaled, places);
    add_places(places, size, even, odd);
  }
}

#define DETENT_INSTANTIATE_REF(T) \
  template void count_bins_ref<T>(const T*, std::size_t, const BinGrid&, std::uint64_t*);
#define DETENT_INSTANTIATE(T)                                                        \
  DETENT_INSTANTIATE_REF(T)                                                          \
  template void count_bins<T>(const T*, std::size_t, const BinGrid&, std::uint64_t*, \
                              std::uint64_t*);
DETENT_INSTANTIATE_REF(float)
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
#undef DETENT_INSTANTIATE_REF

}  // namespace detent::kernels
#endif
