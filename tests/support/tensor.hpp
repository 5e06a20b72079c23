// SPDX-License-Identifier: Apache-2.0
// Tensor: a tensor that owns its bytes, for tests; view() lends it as the ABI's detent_tensor.
#pragma once
#include <cstdint>
#include <cstring>
#include <detent/abi.h>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace detent::test {

using Shape = std::vector<std::int64_t>;

template <class T>
constexpr detent_dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DETENT_F32;
  if constexpr (std::is_same_v<T, double>) return DETENT_F64;
  if constexpr (std::is_integral_v<T>)
    return DETENT_DTYPE(std::is_signed_v<T> ? 0 : 1, static_cast<std::uint32_t>(sizeof(T) * 8));
}

class Tensor {
 public:
  Tensor() : Tensor(DETENT_F32, {0}) {}
  // Compact, row-major, zeroed.
  Tensor(detent_dtype dtype, Shape shape)
      : dtype_(dtype), shape_(std::move(shape)), strides_(shape_.size()) {
    const std::uint64_t n = detent_nbytes(dtype_, ndim(), shape_.data());
    if (n == UINT64_MAX) throw std::length_error("a tensor's extent is negative or too large");
    bytes_.resize(n);
    std::int64_t stride = 1;
    for (std::size_t d = shape_.size(); d-- > 0;) {
      strides_[d] = stride;
      stride *= shape_[d];
    }
  }
  Tensor(const detent_tensor_spec& spec)
      : Tensor(spec.dtype, Shape(spec.shape, spec.shape + spec.ndim)) {}

  template <class T>
  static Tensor of(const Shape& shape, const std::vector<T>& values) {
    return of_bits(dtype_of<T>(), shape, values);
  }
  // For types that C++ has no name for: f16 and bf16 as uint16_t.
  template <class T>
  static Tensor of_bits(detent_dtype dtype, const Shape& shape, const std::vector<T>& values) {
    Tensor t(dtype, shape);
    if (t.bytes_.size() != values.size() * sizeof(T))
      throw std::length_error("as many values as the shape has elements are needed");
    if (!values.empty()) std::memcpy(t.bytes_.data(), values.data(), t.bytes_.size());
    return t;
  }

  // The same bytes under another shape, strides (in elements) and first element.
  Tensor strided(Shape shape, Shape strides, std::int64_t first = 0) const {
    Tensor t = *this;
    t.shape_ = std::move(shape);
    t.strides_ = std::move(strides);
    t.first_ = first;
    return t;
  }

  detent_tensor view() const {
    const std::int64_t offset = first_ * static_cast<std::int64_t>(DETENT_DTYPE_BITS(dtype_) / 8);
    const bool some = !bytes_.empty();
    return {some ? const_cast<std::uint8_t*>(bytes_.data()) + offset : nullptr,
            DETENT_DEVICE_CPU,
            0,
            ndim(),
            dtype_,
            shape_.empty() ? nullptr : shape_.data(),
            strides_.empty() ? nullptr : strides_.data(),
            0,
            bytes_.size() - static_cast<std::uint64_t>(offset),
            0};
  }

  detent_dtype dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  std::vector<std::uint8_t>& bytes() { return bytes_; }

  // The stored elements in memory order.
  template <class T>
  std::vector<T> values() const {
    std::vector<T> out(bytes_.size() / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), bytes_.data(), out.size() * sizeof(T));
    return out;
  }

 private:
  std::int32_t ndim() const { return static_cast<std::int32_t>(shape_.size()); }

  detent_dtype dtype_;
  Shape shape_;
  Shape strides_;
  std::int64_t first_ = 0;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace detent::test
