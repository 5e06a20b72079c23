// SPDX-License-Identifier: Apache-2.0
#include "common/block_reader.hpp"

#include <algorithm>
#include <cstring>

#include <detent/kernels/convert.hpp>

namespace detent::quantizers {
namespace {

constexpr std::int64_t kBlock = 1024;  // elements that are converted at once, on the stack

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

bool is_aligned(const void* data, detent_dtype dtype) {
  const std::uintptr_t alignment = dtype == DETENT_F64   ? alignof(double)
                                   : dtype == DETENT_F32 ? alignof(float)
                                                         : alignof(kernels::Half);
  return reinterpret_cast<std::uintptr_t>(data) % alignment == 0;
}

}  // namespace

BlockReader::BlockReader(const sdk::TensorView& tensor)
    : bytes_(tensor.bytes()),
      dtype_(tensor.dtype()),
      contiguous_(tensor.contiguous()),
      in_place_(contiguous_ && is_aligned(bytes_, dtype_)),
      numel_(tensor.numel()),
      shape_(tensor.shape()),
      strides_(tensor.raw().strides, tensor.raw().strides + tensor.ndim()) {
  if (!sdk::is_floating_point(dtype_))
    throw sdk::Error(DETENT_E_UNSUPPORTED, "the weight is not a floating-point tensor");
}

void BlockReader::read(std::int64_t first, std::span<float> out) const {
  if (dtype_ == DETENT_F32) return gather(first, out);
  const auto convert = [&](auto element) {
    decltype(element) block[kBlock];
    for (std::size_t done = 0; done < out.size(); done += size(kBlock)) {
      const auto part = std::span(block, std::min(size(kBlock), out.size() - done));
      gather(first + static_cast<std::int64_t>(done), part);
      kernels::to_float(std::span<const decltype(element)>(part), out.data() + done);
    }
  };
  if (dtype_ == DETENT_F16) convert(kernels::Half{});
  if (dtype_ == DETENT_BF16) convert(kernels::BFloat16{});
  if (dtype_ == DETENT_F64) convert(double{});
}

const float* BlockReader::floats(std::int64_t first, std::int64_t count, float* buffer) const {
  if (in_place_ && dtype_ == DETENT_F32) return reinterpret_cast<const float*>(bytes_) + first;
  read(first, {buffer, size(count)});
  return buffer;
}

void BlockReader::find_ranges(std::int64_t first, std::int64_t runs, std::int64_t length,
                              kernels::FiniteRange* out) const {
  const bool done = with_elements(
      [&](const auto* x) { kernels::finite_ranges(x + first, size(runs), size(length), out); });
  if (done) return;
  switch (dtype_) {
    case DETENT_F16: return find_ranges_of<kernels::Half>(first, runs, length, out);
    case DETENT_BF16: return find_ranges_of<kernels::BFloat16>(first, runs, length, out);
    case DETENT_F64: return find_ranges_of<double>(first, runs, length, out);
    default: return find_ranges_of<float>(first, runs, length, out);
  }
}

// Several short runs at once, or a long one in pieces.
template <class T>
void BlockReader::find_ranges_of(std::int64_t first, std::int64_t runs, std::int64_t length,
                                 kernels::FiniteRange* out) const {
  T block[kBlock];
  if (length == 0) return;
  const std::int64_t runs_at_once = std::max<std::int64_t>(1, kBlock / length);
  for (std::int64_t r = 0; r < runs; r += runs_at_once) {
    const std::int64_t count = std::min(runs_at_once, runs - r);
    const std::int64_t begin = first + r * length;
    for (std::int64_t done = 0; done < count * length; done += kBlock) {
      const std::int64_t n = std::min(kBlock, count * length - done);
      gather(begin + done, std::span(block, size(n)));
      // Either all of `count` runs, or a piece of one.
      kernels::finite_ranges(block, size(count), size(n / count), out + r);
    }
  }
}

// By memcpy: a mapped file need not align its tensors.
template <class T>
void BlockReader::gather(std::int64_t first, std::span<T> out) const {
  if (out.empty()) return;
  if (!contiguous_) return gather_strided(first, out);
  std::memcpy(out.data(), bytes_ + first * static_cast<std::int64_t>(sizeof(T)), out.size_bytes());
}

template <class T>
void BlockReader::gather_strided(std::int64_t first, std::span<T> out) const {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t row_length = shape_.back();
  const std::int64_t step = strides_.back() * kBytes;
  for (std::size_t done = 0; done < out.size();) {
    const std::int64_t at = first + static_cast<std::int64_t>(done);
    const std::int64_t column = at % row_length;
    std::int64_t rest = at / row_length;
    const char* p = bytes_ + column * step;
    for (std::size_t d = shape_.size() - 1; d-- > 0; rest /= shape_[d])
      p += rest % shape_[d] * strides_[d] * kBytes;
    const std::size_t n = std::min(size(row_length - column), out.size() - done);
    for (std::size_t i = 0; i < n; ++i) {
      std::memcpy(&out[done + i], p, sizeof(T));
      p += step;
    }
    done += n;
  }
}

}  // namespace detent::quantizers
