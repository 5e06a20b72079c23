// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/finite_range.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "finite_range.cpp"
#include <hwy/foreach_target.h>
// The order matters: highway.h is included again for every target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Running minimum and maximum of one lane each; non-finite lanes do not take part.
template <class D>
struct FloatLanes {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  V lo;
  V hi;

  // Not default initialisers: a generated constructor has no target and cannot inline vector code.
  static HWY_INLINE FloatLanes nothing() {
    const V infinity = hn::Set(D(), std::numeric_limits<T>::infinity());
    return {infinity, hn::Neg(infinity)};
  }

  HWY_INLINE hn::Mask<D> include(V v) {
    const V infinity = hn::Set(D(), std::numeric_limits<T>::infinity());
    const auto finite = hn::Lt(hn::Abs(v), infinity);  // false for NaN
    lo = hn::Min(lo, hn::IfThenElse(finite, v, infinity));
    hi = hn::Max(hi, hn::IfThenElse(finite, v, hn::Neg(infinity)));
    return finite;
  }
};

template <class T>
HWY_INLINE void float_run(const T* x, std::size_t n, FiniteRange& out) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  if (n >= lanes) {
    auto a = FloatLanes<decltype(d)>::nothing();
    auto b = a;  // two, to hide the latency of Min and Max
    std::size_t finite = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      finite += hn::CountTrue(d, a.include(hn::LoadU(d, x + i)));
      finite += hn::CountTrue(d, b.include(hn::LoadU(d, x + i + lanes)));
    }
    for (; i + lanes <= n; i += lanes) finite += hn::CountTrue(d, a.include(hn::LoadU(d, x + i)));
    // Adding +0 turns -0 into +0: which of the two Min keeps depends on the target.
    const double lo = hn::GetLane(hn::MinOfLanes(d, hn::Min(a.lo, b.lo)));
    const double hi = hn::GetLane(hn::MaxOfLanes(d, hn::Max(a.hi, b.hi)));
    out.range.include(Range{lo + 0.0, hi + 0.0});
    out.non_finite += i - finite;
  }
  finite_ranges_ref(x + i, 1, n - i, &out);
}

// The 16-bit formats are compared as integers: flipping the magnitude of negative numbers makes the
// bits ascend with the value, and nothing has to be converted.
template <class Element>
HWY_INLINE void half_run(const Element* x, std::size_t n, FiniteRange& out) {
  constexpr std::int16_t kInfinity = std::is_same_v<Element, Half> ? 0x7C00 : 0x7F80;
  const hn::ScalableTag<std::int16_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto magnitude = hn::Set(d, std::int16_t{0x7FFF});
  const auto order = [&](auto v)
                         HWY_ATTR { return hn::Xor(v, hn::And(hn::ShiftRight<15>(v), magnitude)); };
  auto lo = hn::Set(d, std::numeric_limits<std::int16_t>::max());
  auto hi = hn::Set(d, std::numeric_limits<std::int16_t>::min());
  std::size_t i = 0;
  std::size_t finite = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, reinterpret_cast<const std::int16_t*>(x + i));
    const auto mask = hn::Lt(hn::And(v, magnitude), hn::Set(d, kInfinity));
    lo = hn::Min(lo, hn::IfThenElse(mask, order(v), lo));
    hi = hn::Max(hi, hn::IfThenElse(mask, order(v), hi));
    finite += hn::CountTrue(d, mask);
  }
  if (finite != 0) {
    // Lanes that saw nothing finite still hold the start, which decodes to NaN and is left out.
    const auto include = [&](auto v) HWY_ATTR {
      HWY_ALIGN Element lane[HWY_MAX_BYTES / sizeof(Element)];
      hn::Store(order(v), d, reinterpret_cast<std::int16_t*>(lane));
      FiniteRange seen;
      finite_ranges_ref(lane, 1, lanes, &seen);
      out.range.include(seen.range);
    };
    include(lo);
    include(hi);
  }
  out.non_finite += i - finite;
  finite_ranges_ref(x + i, 1, n - i, &out);
}

void ranges_f32(const float* x, std::size_t runs, std::size_t n, FiniteRange* out) {
  for (std::size_t r = 0; r < runs; ++r) float_run(x + r * n, n, out[r]);
}
void ranges_f64(const double* x, std::size_t runs, std::size_t n, FiniteRange* out) {
  for (std::size_t r = 0; r < runs; ++r) float_run(x + r * n, n, out[r]);
}
void ranges_f16(const Half* x, std::size_t runs, std::size_t n, FiniteRange* out) {
  for (std::size_t r = 0; r < runs; ++r) half_run(x + r * n, n, out[r]);
}
void ranges_bf16(const BFloat16* x, std::size_t runs, std::size_t n, FiniteRange* out) {
  for (std::size_t r = 0; r < runs; ++r) half_run(x + r * n, n, out[r]);
}

// One vector of neighbouring columns down all rows.
template <class D>
HWY_INLINE void column_vector(D d, const float* x, std::size_t rows, std::size_t stride,
                              FiniteRange* out) {
  const hn::RebindToSigned<D> di;
  auto range = FloatLanes<D>::nothing();
  auto finite = hn::Zero(di);  // per lane, counted downwards: a true mask is -1
  for (std::size_t r = 0; r < rows; ++r) {
    const auto mask = range.include(hn::LoadU(d, x + r * stride));
    finite = hn::Add(finite, hn::BitCast(di, hn::VecFromMask(d, mask)));
  }
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float lo[hn::MaxLanes(d)];
  HWY_ALIGN float hi[hn::MaxLanes(d)];
  HWY_ALIGN std::int32_t count[hn::MaxLanes(d)];
  hn::Store(range.lo, d, lo);
  hn::Store(range.hi, d, hi);
  hn::Store(finite, di, count);
  for (std::size_t c = 0; c < lanes; ++c) {
    out[c].range.include(Range{lo[c] + 0.0, hi[c] + 0.0});
    out[c].non_finite += rows - static_cast<std::size_t>(-std::int64_t{count[c]});
  }
}

void columns_f32(const float* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= columns; c += lanes) column_vector(d, x + c, rows, columns, out + c);
  for (; c < columns; ++c) column_vector(one, x + c, rows, columns, out + c);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {
HWY_EXPORT(ranges_f32);
HWY_EXPORT(ranges_f64);
HWY_EXPORT(ranges_f16);
HWY_EXPORT(ranges_bf16);
HWY_EXPORT(columns_f32);

void finite_ranges(const float* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(ranges_f32)(x, runs, length, out);
}
void finite_ranges(const double* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(ranges_f64)(x, runs, length, out);
}
void finite_ranges(const Half* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(ranges_f16)(x, runs, length, out);
}
void finite_ranges(const BFloat16* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(ranges_bf16)(x, runs, length, out);
}

void finite_columns(const float* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  constexpr std::size_t kRows = std::size_t{1} << 30;  // what a lane's counter holds
  for (std::size_t r = 0; r < rows; r += kRows)
    HWY_DYNAMIC_DISPATCH(columns_f32)(x + r * columns, std::min(kRows, rows - r), columns, out);
}

// Integers are always finite; they are rare as input, so the compiler's loop is enough.
namespace {
template <class T>
void integer_ranges(const T* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  if (length == 0) return;
  for (std::size_t r = 0; r < runs; ++r) {
    const auto [lo, hi] = std::minmax_element(x + r * length, x + (r + 1) * length);
    out[r].range.include(Range{static_cast<double>(*lo), static_cast<double>(*hi)});
  }
}
}  // namespace

void finite_ranges(const std::int8_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::uint8_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::int16_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::uint16_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::int32_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::uint32_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::int64_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
void finite_ranges(const std::uint64_t* x, std::size_t runs, std::size_t length, FiniteRange* out) {
  integer_ranges(x, runs, length, out);
}
}  // namespace detent::kernels
#endif
