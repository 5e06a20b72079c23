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
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Blocks are gone through as if all elements were finite; one where that was wrong, once more.
constexpr std::size_t kBlock = 2048;

// Running minimum and maximum of one lane each.
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

  // Non-finite lanes do not take part.
  HWY_INLINE hn::Mask<D> include(V v) {
    const V infinity = hn::Set(D(), std::numeric_limits<T>::infinity());
    const auto finite = hn::Lt(hn::Abs(v), infinity);  // false for NaN
    lo = hn::Min(lo, hn::IfThenElse(finite, v, infinity));
    hi = hn::Max(hi, hn::IfThenElse(finite, v, hn::Neg(infinity)));
    return finite;
  }

  HWY_INLINE void include_finite(V v) {
    lo = hn::Min(lo, v);
    hi = hn::Max(hi, v);
  }
};

// Whole vectors; false, and nothing included, where an element is not finite. What is finite times
// zero is zero, what is not is NaN and stays it.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE bool include_finite_block(D d, const T* x, std::size_t n, FloatLanes<D>& lanes) {
  const std::size_t step = hn::Lanes(d);
  const auto zero = hn::Zero(d);
  FloatLanes<D> seen = lanes;
  auto nan0 = zero;
  auto nan1 = zero;
  auto nan2 = zero;
  auto nan3 = zero;
  std::size_t i = 0;
  for (; i + 4 * step <= n; i += 4 * step) {
    const auto a = hn::LoadU(d, x + i);
    const auto b = hn::LoadU(d, x + i + step);
    const auto c = hn::LoadU(d, x + i + 2 * step);
    const auto e = hn::LoadU(d, x + i + 3 * step);
    seen.lo = hn::Min(seen.lo, hn::Min(hn::Min(a, b), hn::Min(c, e)));
    seen.hi = hn::Max(seen.hi, hn::Max(hn::Max(a, b), hn::Max(c, e)));
    nan0 = hn::MulAdd(a, zero, nan0);
    nan1 = hn::MulAdd(b, zero, nan1);
    nan2 = hn::MulAdd(c, zero, nan2);
    nan3 = hn::MulAdd(e, zero, nan3);
  }
  for (; i < n; i += step) {
    const auto a = hn::LoadU(d, x + i);
    seen.include_finite(a);
    nan0 = hn::MulAdd(a, zero, nan0);
  }
  const auto nan = hn::Add(hn::Add(nan0, nan1), hn::Add(nan2, nan3));
  if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(nan, zero)))) return false;
  lanes = seen;
  return true;
}

template <class T>
HWY_INLINE void float_run(const T* x, std::size_t n, FiniteRange& out) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = n / lanes * lanes;
  auto range = FloatLanes<hn::ScalableTag<T>>::nothing();
  for (std::size_t begin = 0; begin < whole; begin += kBlock) {
    const std::size_t size = std::min(kBlock, whole - begin);
    if (HWY_LIKELY(include_finite_block(d, x + begin, size, range))) continue;
    out.non_finite += size;
    for (std::size_t i = begin; i < begin + size; i += lanes)
      out.non_finite -= hn::CountTrue(d, range.include(hn::LoadU(d, x + i)));
  }
  if (whole != 0) {
    // Adding +0 turns -0 into +0: which of the two Min keeps depends on the target.
    const double lo = hn::GetLane(hn::MinOfLanes(d, range.lo));
    const double hi = hn::GetLane(hn::MaxOfLanes(d, range.hi));
    out.range.include(Range{lo + 0.0, hi + 0.0});
  }
  finite_ranges_ref(x + whole, 1, n - whole, &out);
}

// The 16-bit formats are compared as integers: flipping the magnitude of negative numbers makes the
// bits ascend with the value, and nothing has to be converted. In this order what is not finite
// lies outside of (-kInfinity - 1, kInfinity).
template <class Element>
struct HalfLanes {
  using D = hn::ScalableTag<std::int16_t>;
  using V = hn::Vec<D>;
  static constexpr std::int16_t kInfinity = std::is_same_v<Element, Half> ? 0x7C00 : 0x7F80;
  V lo;
  V hi;

  // Decodes to NaN, which is left out in the end.
  static HWY_INLINE HalfLanes nothing() {
    return {hn::Set(D(), std::numeric_limits<std::int16_t>::max()),
            hn::Set(D(), std::numeric_limits<std::int16_t>::min())};
  }
  static HWY_INLINE V order(V v) {
    return hn::Xor(v, hn::And(hn::ShiftRight<15>(v), hn::Set(D(), std::int16_t{0x7FFF})));
  }
  static HWY_INLINE V load(const Element* x) {
    return order(hn::LoadU(D(), reinterpret_cast<const std::int16_t*>(x)));
  }

  HWY_INLINE hn::Mask<D> include(V v) {
    const auto finite = hn::And(hn::Gt(v, hn::Set(D(), std::int16_t{-kInfinity - 1})),
                                hn::Lt(v, hn::Set(D(), kInfinity)));
    lo = hn::Min(lo, hn::IfThenElse(finite, v, lo));
    hi = hn::Max(hi, hn::IfThenElse(finite, v, hi));
    return finite;
  }

  HWY_INLINE bool finite() const {
    return hn::AllTrue(D(), hn::Gt(lo, hn::Set(D(), std::int16_t{-kInfinity - 1}))) &&
           hn::AllTrue(D(), hn::Lt(hi, hn::Set(D(), kInfinity)));
  }

  void add_to(Range& range) const {
    HWY_ALIGN Element lanes[2][HWY_MAX_BYTES / sizeof(Element)];
    hn::Store(order(lo), D(), reinterpret_cast<std::int16_t*>(lanes[0]));
    hn::Store(order(hi), D(), reinterpret_cast<std::int16_t*>(lanes[1]));
    for (const auto& of : lanes) {
      FiniteRange seen;
      finite_ranges_ref(of, 1, hn::Lanes(D()), &seen);
      range.include(seen.range);
    }
  }
};

template <class Element>
HWY_INLINE bool include_finite_block(const Element* x, std::size_t n, HalfLanes<Element>& lanes) {
  const std::size_t step = hn::Lanes(typename HalfLanes<Element>::D());
  HalfLanes<Element> seen = lanes;
  std::size_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step) {
    const auto a = seen.load(x + i);
    const auto b = seen.load(x + i + step);
    seen.lo = hn::Min(seen.lo, hn::Min(a, b));
    seen.hi = hn::Max(seen.hi, hn::Max(a, b));
  }
  if (i < n) {
    const auto a = seen.load(x + i);
    seen.lo = hn::Min(seen.lo, a);
    seen.hi = hn::Max(seen.hi, a);
  }
  if (HWY_UNLIKELY(!seen.finite())) return false;
  lanes = seen;
  return true;
}

template <class Element>
HWY_INLINE void half_run(const Element* x, std::size_t n, FiniteRange& out) {
  const typename HalfLanes<Element>::D d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = n / lanes * lanes;
  auto range = HalfLanes<Element>::nothing();
  for (std::size_t begin = 0; begin < whole; begin += kBlock) {
    const std::size_t size = std::min(kBlock, whole - begin);
    if (HWY_LIKELY(include_finite_block(x + begin, size, range))) continue;
    out.non_finite += size;
    for (std::size_t i = begin; i < begin + size; i += lanes)
      out.non_finite -= hn::CountTrue(d, range.include(range.load(x + i)));
  }
  if (whole != 0) range.add_to(out.range);
  finite_ranges_ref(x + whole, 1, n - whole, &out);
}

}  // namespace

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

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {
HWY_EXPORT(ranges_f32);
HWY_EXPORT(ranges_f64);
HWY_EXPORT(ranges_f16);
HWY_EXPORT(ranges_bf16);

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
