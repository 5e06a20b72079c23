// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/non_finite.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "non_finite.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// The bits of an element that is not finite have all of `exponent` set. For n a multiple of the
// lanes, and at most 2^14 times as many: what the lanes of 16 bits count.
template <class D, class Bits = hn::TFromD<D>>
HWY_INLINE std::uint64_t count_vectors(D d, const Bits* x, std::size_t n, Bits exponent) {
  const std::size_t lanes = hn::Lanes(d);
  const auto mask = hn::Set(d, exponent);
  const auto hit = [&](const Bits* at) HWY_ATTR {
    return hn::VecFromMask(d, hn::Eq(hn::And(hn::LoadU(d, at), mask), mask));  // -1
  };
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    a = hn::Sub(a, hit(x + i));
    b = hn::Sub(b, hit(x + i + lanes));
  }
  if (i < n) a = hn::Sub(a, hit(x + i));
  HWY_ALIGN Bits counts[hn::MaxLanes(D())];
  hn::Store(hn::Add(a, b), d, counts);
  std::uint64_t total = 0;
  for (std::size_t lane = 0; lane < lanes; ++lane)
    total += static_cast<std::uint64_t>(counts[lane]);
  return total;
}

// The whole vectors among n elements; *done is how many elements these hold.
template <class Bits, class T>
HWY_INLINE std::uint64_t count_whole(const T* x, std::size_t n, Bits exponent, std::size_t* done) {
  static_assert(sizeof(Bits) == sizeof(T));
  const hn::ScalableTag<Bits> d;
  const std::size_t whole = n / hn::Lanes(d) * hn::Lanes(d);
  const std::size_t at_once = hn::Lanes(d) << 14U;
  const auto* const bits = reinterpret_cast<const Bits*>(x);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < whole; i += at_once)
    total += count_vectors(d, bits + i, std::min(at_once, whole - i), exponent);
  *done = whole;
  return total;
}

}  // namespace

std::uint64_t whole_f32(const float* x, std::size_t n, std::size_t* done) {
  return count_whole<std::int32_t>(x, n, 0x7F800000, done);
}
std::uint64_t whole_f64(const double* x, std::size_t n, std::size_t* done) {
  return count_whole<std::int64_t>(x, n, 0x7FF0000000000000, done);
}
std::uint64_t whole_f16(const Half* x, std::size_t n, std::size_t* done) {
  return count_whole<std::int16_t>(x, n, 0x7C00, done);
}
std::uint64_t whole_bf16(const BFloat16* x, std::size_t n, std::size_t* done) {
  return count_whole<std::int16_t>(x, n, 0x7F80, done);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(whole_f32);
HWY_EXPORT(whole_f64);
HWY_EXPORT(whole_f16);
HWY_EXPORT(whole_bf16);

namespace {

template <class T, class Whole>
std::uint64_t count(const T* x, std::size_t n, Whole whole) {
  std::size_t done = 0;
  const std::uint64_t total = whole(x, n, &done);
  return total + count_non_finite_ref(x + done, n - done);
}

}  // namespace

std::uint64_t count_non_finite(const float* x, std::size_t n) {
  return count(x, n, HWY_DYNAMIC_DISPATCH(whole_f32));
}
std::uint64_t count_non_finite(const double* x, std::size_t n) {
  return count(x, n, HWY_DYNAMIC_DISPATCH(whole_f64));
}
std::uint64_t count_non_finite(const Half* x, std::size_t n) {
  return count(x, n, HWY_DYNAMIC_DISPATCH(whole_f16));
}
std::uint64_t count_non_finite(const BFloat16* x, std::size_t n) {
  return count(x, n, HWY_DYNAMIC_DISPATCH(whole_bf16));
}

template <class T>
std::uint64_t count_non_finite_ref(const T* x, std::size_t n) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    T element;
    std::memcpy(&element, x + i, sizeof(T));
    total += std::isfinite(to_double(element)) ? 0 : 1;
  }
  return total;
}

template std::uint64_t count_non_finite_ref(const float*, std::size_t);
template std::uint64_t count_non_finite_ref(const double*, std::size_t);
template std::uint64_t count_non_finite_ref(const Half*, std::size_t);
template std::uint64_t count_non_finite_ref(const BFloat16*, std::size_t);

}  // namespace detent::kernels
#endif
