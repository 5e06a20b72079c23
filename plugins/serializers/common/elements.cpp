// SPDX-License-Identifier: Apache-2.0
#include "elements.hpp"

#include <cstring>

namespace detent::serializers {
namespace {

constexpr uint64_t kPiece = uint64_t{1} << 20;  // bytes copied before they are written

[[noreturn]] void outside() {
  throw sdk::Error(DETENT_E_INVALID_ARG, "an element lies outside the tensor's buffer");
}

// Bytes between two neighbours along d.
int64_t step_bytes(const detent_tensor& t, int32_t d, int64_t size) {
  int64_t step = 0;
  if (__builtin_mul_overflow(t.strides[d], size, &step)) outside();
  return step;
}

// Every element is in [data, data + nbytes): the lowest and the highest address decide.
void check_bounds(const detent_tensor& t, int64_t size) {
  int64_t lowest = 0;
  int64_t highest = size;
  for (int32_t d = 0; d < t.ndim; ++d) {
    int64_t span = 0;
    if (__builtin_mul_overflow(step_bytes(t, d, size), t.shape[d] - 1, &span)) outside();
    int64_t& end = span < 0 ? lowest : highest;
    if (__builtin_add_overflow(end, span, &end)) outside();
  }
  if (t.byte_offset > t.nbytes || lowest < -static_cast<int64_t>(t.byte_offset) ||
      static_cast<uint64_t>(highest) > t.nbytes - t.byte_offset)
    outside();
}

// Copies rows into a buffer of kPiece bytes and hands it over when it is full.
class Gather {
 public:
  Gather(int64_t size, PieceSink& sink) : size_(static_cast<uint64_t>(size)), sink_(sink) {
    buffer_.resize(kPiece);  // a multiple of every element's size
  }
  void row(const char* p, int64_t count, int64_t step) {
    for (int64_t i = 0; i < count; ++i, p += step) {
      std::memcpy(buffer_.data() + used_, p, size_);
      used_ += size_;
      if (used_ == kPiece) flush();
    }
  }
  void flush() {
    if (used_ != 0) sink_.piece(buffer_.data(), used_);
    used_ = 0;
  }

 private:
  uint64_t size_;
  PieceSink& sink_;
  std::vector<char> buffer_;
  uint64_t used_ = 0;
};

void gather(const sdk::TensorView& tensor, int64_t size, PieceSink& sink) {
  const detent_tensor& t = tensor.raw();
  const int32_t last = t.ndim - 1;  // a scalar is compact, so there is one
  const int64_t step = step_bytes(t, last, size);
  std::vector<int64_t> index(static_cast<size_t>(last), 0);
  Gather out(size, sink);
  const char* row = tensor.bytes();
  for (;;) {
    out.row(row, t.shape[last], step);
    int32_t d = last - 1;
    for (; d >= 0; --d) {
      const auto at = static_cast<size_t>(d);
      row += step_bytes(t, d, size);
      if (++index[at] < t.shape[d]) break;
      row -= step_bytes(t, d, size) * t.shape[d];
      index[at] = 0;
    }
    if (d < 0) return out.flush();
  }
}

}  // namespace

void for_each_piece(const sdk::TensorView& tensor, PieceSink& sink) {
  const detent_tensor& t = tensor.raw();
  const uint64_t nbytes = detent_nbytes(t.dtype, t.ndim, t.shape);
  if (nbytes == 0) return;
  if (tensor.contiguous()) {
    if (t.byte_offset > t.nbytes || nbytes > t.nbytes - t.byte_offset) outside();
    return sink.piece(tensor.bytes(), nbytes);
  }
  const uint32_t bits = DETENT_DTYPE_BITS(t.dtype);
  if (bits % 8 != 0) throw sdk::Error(DETENT_E_UNSUPPORTED, "sub-byte elements have to be compact");
  check_bounds(t, bits / 8);
  gather(tensor, bits / 8, sink);
}

}  // namespace detent::serializers
