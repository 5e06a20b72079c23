// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <type_traits>

#include "detent/kernels/finite_range.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "finite_columns.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "load_float.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Columns whose ranges are in the first-level cache while their rows pass.
constexpr std::size_t kColumns = 1024;
// Rows that are looked at together: so many loads for one access to the ranges.
constexpr std::size_t kRows = 4;

// What the elements are compared as.
template <class T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class D, class T>
HWY_INLINE hn::Vec<D> load_real(D d, const T* x) {
  if constexpr (std::is_same_v<T, double>) {
    return hn::LoadU(d, x);
  } else {
    return load_float(d, x);
  }
}

// A vector of neighbouring columns down kCount rows; false, and nothing included, where an element
// is not finite: times zero it is NaN.
template <std::size_t kCount, class D, class T>
HWY_INLINE bool include_finite(D d, const T* x, std::size_t stride, Real<T>* lo, Real<T>* hi) {
  const auto zero = hn::Zero(d);
  const auto first = load_real(d, x);
  auto least = hn::Min(hn::LoadU(d, lo), first);
  auto most = hn::Max(hn::LoadU(d, hi), first);
  auto nan = hn::Mul(first, zero);
  for (std::size_t row = 1; row < kCount; ++row) {
    const auto v = load_real(d, x + row * stride);
    least = hn::Min(least, v);
    most = hn::Max(most, v);
    nan = hn::MulAdd(v, zero, nan);
  }
  if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(nan, zero)))) return false;
  hn::StoreU(least, d, lo);
  hn::StoreU(most, d, hi);
  return true;
}

template <std::size_t kCount, class D, class T>
HWY_INLINE void include(D d, const T* x, std::size_t stride, Real<T>* lo, Real<T>* hi,
                        FiniteRange* out) {
  if (HWY_LIKELY((include_finite<kCount>(d, x, stride, lo, hi)))) return;
  for (std::size_t row = 0; row < kCount; ++row)  // straight into the result
    for (std::size_t c = 0; c < hn::Lanes(d); ++c)
      finite_ranges_ref(x + row * stride + c, 1, 1, out + c);
}

template <std::size_t kCount, class T>
HWY_INLINE void include_rows(const T* x, std::size_t columns, std::size_t stride, Real<T>* lo,
                             Real<T>* hi, FiniteRange* out) {
  const hn::ScalableTag<Real<T>> d;
  const hn::CappedTag<Real<T>, 1> one;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= columns; c += lanes)
    include<kCount>(d, x + c, stride, lo + c, hi + c, out + c);
  for (; c < columns; ++c) include<kCount>(one, x + c, stride, lo + c, hi + c, out + c);
}

// At most kColumns of them.
template <class T>
HWY_INLINE void include_columns(const T* x, std::size_t rows, std::size_t columns,
                                std::size_t stride, FiniteRange* out) {
  constexpr Real<T> kInfinity = std::numeric_limits<Real<T>>::infinity();
  HWY_ALIGN Real<T> lo[kColumns];
  HWY_ALIGN Real<T> hi[kColumns];
  std::fill_n(lo, columns, kInfinity);
  std::fill_n(hi, columns, -kInfinity);
  std::size_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    include_rows<kRows>(x + r * stride, columns, stride, lo, hi, out);
  for (; r < rows; ++r) include_rows<1>(x + r * stride, columns, stride, lo, hi, out);
  // Adding +0 turns -0 into +0: which of the two Min keeps depends on the target.
  for (std::size_t c = 0; c < columns; ++c) out[c].range.include(Range{lo[c] + 0.0, hi[c] + 0.0});
}

template <class T>
HWY_INLINE void include_all(const T* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  for (std::size_t c = 0; c < columns; c += kColumns)
    include_columns(x + c, rows, std::min(kColumns, columns - c), columns, out + c);
}

}  // namespace

void columns_f32(const float* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  include_all(x, rows, columns, out);
}
void columns_f64(const double* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  include_all(x, rows, columns, out);
}
void columns_f16(const Half* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  include_all(x, rows, columns, out);
}
void columns_bf16(const BFloat16* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  include_all(x, rows, columns, out);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {
HWY_EXPORT(columns_f32);
HWY_EXPORT(columns_f64);
HWY_EXPORT(columns_f16);
HWY_EXPORT(columns_bf16);

void finite_columns(const float* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(columns_f32)(x, rows, columns, out);
}
void finite_columns(const double* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(columns_f64)(x, rows, columns, out);
}
void finite_columns(const Half* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(columns_f16)(x, rows, columns, out);
}
void finite_columns(const BFloat16* x, std::size_t rows, std::size_t columns, FiniteRange* out) {
  HWY_DYNAMIC_DISPATCH(columns_bf16)(x, rows, columns, out);
}

}  // namespace detent::kernels
#endif
