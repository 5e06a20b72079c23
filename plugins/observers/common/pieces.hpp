// SPDX-License-Identifier: Apache-2.0
// for_each_piece: the elements of a tensor with any strides as contiguous, aligned pieces.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <detent/kernels/element.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Calls f(static_cast<const T*>(nullptr)) with the element type T of a dtype that observers take:
// f32, f64, f16, bf16 and the integers of 8 to 64 bits. False, and nothing called, for another
// dtype.
template <class F>
bool visit_element_type(detent_dtype dtype, F&& f) {
  switch (dtype) {
    case DETENT_F32: f(static_cast<const float*>(nullptr)); return true;
    case DETENT_F64: f(static_cast<const double*>(nullptr)); return true;
    case DETENT_F16: f(static_cast<const kernels::Half*>(nullptr)); return true;
    case DETENT_BF16: f(static_cast<const kernels::BFloat16*>(nullptr)); return true;
    case DETENT_I8: f(static_cast<const std::int8_t*>(nullptr)); return true;
    case DETENT_U8: f(static_cast<const std::uint8_t*>(nullptr)); return true;
    case DETENT_I16: f(static_cast<const std::int16_t*>(nullptr)); return true;
    case DETENT_U16: f(static_cast<const std::uint16_t*>(nullptr)); return true;
    case DETENT_I32: f(static_cast<const std::int32_t*>(nullptr)); return true;
    case DETENT_U32: f(static_cast<const std::uint32_t*>(nullptr)); return true;
    case DETENT_I64: f(static_cast<const std::int64_t*>(nullptr)); return true;
    case DETENT_U64: f(static_cast<const std::uint64_t*>(nullptr)); return true;
    default: return false;
  }
}

inline constexpr std::int32_t kMaxDims = 32;

// A walk over the elements [begin, end), in row-major order, of a tensor with any strides and
// at most kMaxDims dimensions.
class StridedWalk {
 public:
  StridedWalk(const sdk::TensorView& x, std::int64_t begin, std::size_t element_bytes)
      : x_(x), bytes_(static_cast<std::int64_t>(element_bytes)), at_(x.bytes()) {
    for (std::int32_t d = x.ndim() - 1; d >= 0; --d) {
      index_[static_cast<std::size_t>(d)] = begin % x.size(d);
      at_ += begin % x.size(d) * x.stride(d) * bytes_;
      begin /= x.size(d);
    }
  }

  void take(void* out) {
    std::memcpy(out, at_, static_cast<std::size_t>(bytes_));
    for (std::int32_t d = x_.ndim() - 1; d >= 0; --d) {
      std::int64_t& index = index_[static_cast<std::size_t>(d)];
      const std::int64_t step = x_.stride(d) * bytes_;
      if (++index < x_.size(d)) {
        at_ += step;
        return;
      }
      index = 0;
      at_ -= step * (x_.size(d) - 1);
    }
  }

 private:
  sdk::TensorView x_;
  std::int64_t bytes_;
  const char* at_;
  std::array<std::int64_t, kMaxDims> index_;  // no allocation: this runs where nothing may throw
};

// f(const T* elements, int64_t first, int64_t n): the elements [begin, end) in row-major order. One
// piece, in place, when the tensor is contiguous and aligned; otherwise copies of at most 4096
// elements, so no tensor is ever copied as a whole. Requires T to be the tensor's element type.
template <class T, class F>
void for_each_piece(const sdk::TensorView& x, std::int64_t begin, std::int64_t end, F&& f) {
  const char* at = x.bytes();
  if (x.contiguous() && reinterpret_cast<std::uintptr_t>(at) % alignof(T) == 0) {
    if (begin < end) f(reinterpret_cast<const T*>(at) + begin, begin, end - begin);
    return;
  }
  constexpr std::int64_t kPiece = 4096;
  std::array<T, kPiece> piece;
  StridedWalk walk(x, begin, sizeof(T));
  for (std::int64_t first = begin; first < end; first += kPiece) {
    const std::int64_t n = std::min(kPiece, end - first);
    for (std::int64_t i = 0; i < n; ++i) walk.take(&piece[static_cast<std::size_t>(i)]);
    f(static_cast<const T*>(piece.data()), first, n);
  }
}

}  // namespace detent
