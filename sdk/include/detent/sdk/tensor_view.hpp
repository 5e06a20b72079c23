// SPDX-License-Identifier: Apache-2.0
// TensorView: a tensor lent by the host, for reading. MutableTensor: one for writing.
#pragma once
#include <cstring>
#include <type_traits>
#include <vector>

#include "../c/elements.h"
#include "error.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

namespace detail {
template <class T>
struct dtype_of;
template <>
struct dtype_of<float> {
  static constexpr detent_dtype value = DETENT_F32;
};
template <>
struct dtype_of<double> {
  static constexpr detent_dtype value = DETENT_F64;
};
template <>
struct dtype_of<int8_t> {
  static constexpr detent_dtype value = DETENT_I8;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr detent_dtype value = DETENT_U8;
};
template <>
struct dtype_of<int32_t> {
  static constexpr detent_dtype value = DETENT_I32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr detent_dtype value = DETENT_I64;
};
template <>
struct dtype_of<uint64_t> {
  static constexpr detent_dtype value = DETENT_U64;
};
}  // namespace detail

// IEEE binary16 to binary32, exact; the payload of a NaN is kept.
inline float half_to_float(uint16_t h) noexcept { return detent_half_to_float(h); }
inline float bfloat16_to_float(uint16_t h) noexcept { return detent_bfloat16_to_float(h); }
inline bool is_floating_point(detent_dtype dtype) noexcept {
  return detent_is_floating_point(dtype) != 0;
}

class TensorView {
 public:
  explicit TensorView(const detent_tensor& t) noexcept : t_(&t) {}

  const detent_tensor& raw() const noexcept { return *t_; }
  detent_dtype dtype() const noexcept { return t_->dtype; }
  int32_t ndim() const noexcept { return t_->ndim; }
  int64_t size(int32_t d) const noexcept { return t_->shape[d]; }
  int64_t stride(int32_t d) const noexcept { return t_->strides[d]; }
  std::vector<int64_t> shape() const { return {t_->shape, t_->shape + t_->ndim}; }
  int64_t numel() const noexcept { return detent_numel(t_); }
  bool contiguous() const noexcept { return detent_is_contiguous(t_) != 0; }
  const char* bytes() const noexcept { return detent_bytes(t_); }
  // nullptr unless the dtype is T's. Aligned to the element only as far as the host's memory is:
  // take values out with memcpy, or check.
  template <class T>
  const T* data() const noexcept {
    return t_->dtype == detail::dtype_of<T>::value ? reinterpret_cast<const T*>(bytes()) : nullptr;
  }

  // Calls f(double value, int64_t index) for each element in row-major order; index is the
  // element's position along `axis`, 0 when axis is negative. Every value of f32, f64, f16, bf16
  // and of the integers up to 32 bits is exact. False, and nothing called, for another dtype. An f
  // that returns bool stops the walk with false: a call that takes long asks call.cancelled().
  template <class F>
  bool for_each(int32_t axis, F&& f) const {
    switch (t_->dtype) {
      case DETENT_F32: return walk<float>(axis, f);
      case DETENT_F64: return walk<double>(axis, f);
      case DETENT_F16:
        return walk<uint16_t>(
            axis, [&](uint16_t h, int64_t i) { return f(double{half_to_float(h)}, i); });
      case DETENT_BF16:
        return walk<uint16_t>(
            axis, [&](uint16_t h, int64_t i) { return f(double{bfloat16_to_float(h)}, i); });
      case DETENT_I8: return walk<int8_t>(axis, f);
      case DETENT_U8: return walk<uint8_t>(axis, f);
      case DETENT_I16: return walk<int16_t>(axis, f);
      case DETENT_U16: return walk<uint16_t>(axis, f);
      case DETENT_I32: return walk<int32_t>(axis, f);
      case DETENT_U32: return walk<uint32_t>(axis, f);
      default: return false;
    }
  }

 private:
  template <class T, class F>
  bool walk(int32_t axis, F&& f) const {
    const int64_t n = numel();
    if (n == 0) return true;
    const int32_t nd = t_->ndim;
    std::vector<int64_t> index(static_cast<size_t>(nd) + 1, 0);
    const char* p = bytes();
    for (int64_t k = 0; k < n; ++k) {
      T value;
      std::memcpy(&value, p, sizeof value);
      const int64_t i = axis < 0 ? 0 : index[static_cast<size_t>(axis)];
      if constexpr (std::is_same_v<decltype(f(value, i)), bool>) {
        if (!f(value, i)) return true;
      } else {
        f(value, i);
      }
      for (int32_t d = nd - 1; d >= 0; --d) {
        const auto step = t_->strides[d] * static_cast<int64_t>(sizeof(T));
        p += step;
        if (++index[static_cast<size_t>(d)] < t_->shape[d]) break;
        p -= step * t_->shape[d];
        index[static_cast<size_t>(d)] = 0;
      }
    }
    return true;
  }

  const detent_tensor* t_;
};

// Compact and row-major, as everything that the host hands out for writing.
class MutableTensor {
 public:
  MutableTensor() = default;
  explicit MutableTensor(const detent_tensor& t) noexcept : t_(t) {}
  bool valid() const noexcept { return t_.shape != nullptr || t_.data != nullptr; }
  const detent_tensor& raw() const noexcept { return t_; }
  TensorView view() const noexcept { return TensorView(t_); }
  void* bytes() const noexcept { return t_.data; }
  template <class T>
  T* data() const noexcept {
    return t_.dtype == detail::dtype_of<T>::value ? static_cast<T*>(t_.data) : nullptr;
  }

 private:
  detent_tensor t_{};
};

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
