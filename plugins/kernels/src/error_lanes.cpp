// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/error_lanes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "error_lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "load_float.hpp"

HWY_BEFORE_NAMESPACE();
namespace detent::kernels::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// The elements k with k % kLanes in [lane, lane + Lanes), for n a multiple of kLanes.
template <class D, class T>
HWY_INLINE void add_lanes(D d, const T* original, const float* back, std::size_t n,
                          std::size_t lane, ErrorLanes& sums) {
  const hn::Rebind<float, D> df;
  auto signal = hn::LoadU(d, sums.signal + lane);
  auto noise = hn::LoadU(d, sums.noise + lane);
  auto restored = hn::LoadU(d, sums.restored + lane);
  auto product = hn::LoadU(d, sums.product + lane);
  auto largest = hn::LoadU(d, sums.largest + lane);
  for (std::size_t k = lane; k < n; k += ErrorLanes::kLanes) {
    const auto x = load_double(d, original + k);
    const auto y = hn::PromoteTo(d, hn::LoadU(df, back + k));
    const auto error = hn::Sub(x, y);
    signal = hn::Add(signal, hn::Mul(x, x));
    noise = hn::Add(noise, hn::Mul(error, error));
    restored = hn::Add(restored, hn::Mul(y, y));
    product = hn::Add(product, hn::Mul(x, y));
    // Not Max: what that makes of NaN depends on the target.
    const auto size = hn::Abs(error);
    largest = hn::IfThenElse(hn::Lt(largest, size), size, largest);
  }
  hn::StoreU(signal, d, sums.signal + lane);
  hn::StoreU(noise, d, sums.noise + lane);
  hn::StoreU(restored, d, sums.restored + lane);
  hn::StoreU(product, d, sums.product + lane);
  hn::StoreU(largest, d, sums.largest + lane);
}

// For n a multiple of kLanes. Where a vector has fewer lanes, a block is gone through more than
// once, while it is in the first-level cache.
template <class T>
HWY_INLINE void add_blocks(const T* original, const float* restored, std::size_t n,
                           ErrorLanes& sums) {
  constexpr std::size_t kBlock = 1024;
  const hn::CappedTag<double, ErrorLanes::kLanes> d;
  for (std::size_t begin = 0; begin < n; begin += kBlock)
    for (std::size_t lane = 0; lane < ErrorLanes::kLanes; lane += hn::Lanes(d))
      add_lanes(d, original + begin, restored + begin, std::min(kBlock, n - begin), lane, sums);
}

}  // namespace

void errors_f32(const float* x, const float* y, std::size_t n, ErrorLanes& sums) {
  add_blocks(x, y, n, sums);
}
void errors_f64(const double* x, const float* y, std::size_t n, ErrorLanes& sums) {
  add_blocks(x, y, n, sums);
}
void errors_f16(const Half* x, const float* y, std::size_t n, ErrorLanes& sums) {
  add_blocks(x, y, n, sums);
}
void errors_bf16(const BFloat16* x, const float* y, std::size_t n, ErrorLanes& sums) {
  add_blocks(x, y, n, sums);
}

}  // namespace detent::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace detent::kernels {

HWY_EXPORT(errors_f32);
HWY_EXPORT(errors_f64);
HWY_EXPORT(errors_f16);
HWY_EXPORT(errors_bf16);

namespace {

// The elements in front of a multiple of kLanes and behind the last one are added one at a time.
template <class T, class Blocks>
void add(const T* original, const float* restored, std::size_t n, std::uint64_t from,
         ErrorLanes& sums, Blocks blocks) {
  constexpr std::size_t kLanes = ErrorLanes::kLanes;
  const std::size_t head = std::min(n, static_cast<std::size_t>((0 - from) % kLanes));
  const std::size_t whole = (n - head) / kLanes * kLanes;
  const std::size_t done = head + whole;
  add_errors_ref(original, restored, head, from, sums);
  blocks(original + head, restored + head, whole, sums);
  add_errors_ref(original + done, restored + done, n - done, from + done, sums);
}

}  // namespace

void add_errors(const float* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums) {
  add(original, restored, n, from, sums, HWY_DYNAMIC_DISPATCH(errors_f32));
}
void add_errors(const double* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums) {
  add(original, restored, n, from, sums, HWY_DYNAMIC_DISPATCH(errors_f64));
}
void add_errors(const Half* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums) {
  add(original, restored, n, from, sums, HWY_DYNAMIC_DISPATCH(errors_f16));
}
void add_errors(const BFloat16* original, const float* restored, std::size_t n, std::uint64_t from,
                ErrorLanes& sums) {
  add(original, restored, n, from, sums, HWY_DYNAMIC_DISPATCH(errors_bf16));
}

template <class T>
void add_errors_ref(const T* original, const float* restored, std::size_t n, std::uint64_t from,
                    ErrorLanes& sums) {
  for (std::size_t k = 0; k < n; ++k) {
    T element;
    std::memcpy(&element, original + k, sizeof(T));
    const double x = to_double(element);
    const double y = double{restored[k]};
    const double error = x - y;
    const std::size_t lane = (from + k) % ErrorLanes::kLanes;
    sums.signal[lane] += x * x;
    sums.noise[lane] += error * error;
    sums.restored[lane] += y * y;
    sums.product[lane] += x * y;
    sums.largest[lane] = std::max(sums.largest[lane], std::fabs(error));
  }
}

template void add_errors_ref(const float*, const float*, std::size_t, std::uint64_t, ErrorLanes&);
template void add_errors_ref(const double*, const float*, std::size_t, std::uint64_t, ErrorLanes&);
template void add_errors_ref(const Half*, const float*, std::size_t, std::uint64_t, ErrorLanes&);
template void add_errors_ref(const BFloat16*, const float*, std::size_t, std::uint64_t,
                             ErrorLanes&);

}  // namespace detent::kernels
#endif
