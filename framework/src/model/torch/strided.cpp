// SPDX-License-Identifier: Apache-2.0
#include "model/torch/strided.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <stdexcept>
#include <utility>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kBlockBytes = 8 << 20;
constexpr auto kMaxSigned = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

std::uint64_t element_bytes(detent_dtype dtype) { return DETENT_DTYPE_BITS(dtype) / 8; }

// Sizes of 0 are left out of the product that must not overflow: products of some of the sizes do
// not overflow later either.
std::uint64_t compact_bytes(const std::vector<std::int64_t>& shape, detent_dtype dtype) {
  std::uint64_t bytes = element_bytes(dtype);
  bool empty = false;
  for (const std::int64_t size : shape) {
    empty = empty || size == 0;
    if (size != 0 && (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes) ||
                      bytes > kMaxSigned))
      throw std::runtime_error(fmt::format("shape [{}] of {} has more bytes than 2^63",
                                           fmt::join(shape, ", "), dtype_name(dtype)));
  }
  return empty ? 0 : bytes;
}

// How far the last element lies from the first; no overflow when place_tensor took the tensor.
bool reach(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
           std::uint64_t* elements) {
  std::uint64_t sum = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    std::uint64_t step = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(shape[axis] - 1),
                               static_cast<std::uint64_t>(strides[axis]), &step) ||
        __builtin_add_overflow(sum, step, &sum))
      return false;
  }
  *elements = sum;
  return true;
}

struct Axis {
  std::uint64_t size;
  std::uint64_t from;  // stride in the file, in bytes
  std::uint64_t to;    // stride in the result, in bytes
};

// Axes of 1 do not matter; the longest stride comes first, so that what is read lies together.
std::vector<Axis> axes_of(const StridedTensor& tensor) {
  const std::uint64_t element = element_bytes(tensor.dtype);
  std::vector<Axis> axes;
  std::uint64_t to = element;
  for (std::size_t i = tensor.shape.size(); i > 0; --i) {
    const auto size = static_cast<std::uint64_t>(tensor.shape[i - 1]);
    if (size != 1)
      axes.push_back({size, static_cast<std::uint64_t>(tensor.strides[i - 1]) * element, to});
    to *= size;
  }
  std::reverse(axes.begin(), axes.end());
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.from > b.from; });
  return axes;
}

class Gather {
 public:
  Gather(const File& file, const StridedTensor& tensor, std::span<std::byte> out)
      : file_(file), axes_(axes_of(tensor)), element_(element_bytes(tensor.dtype)), out_(out) {}

  void run(std::uint64_t first) {
    // A compact tensor needs no copying, whatever its size.
    std::uint64_t compact = element_;
    bool ordered = true;
    for (std::size_t i = axes_.size(); i > 0; --i) {
      ordered = ordered && axes_[i - 1].from == compact && axes_[i - 1].to == compact;
      compact *= axes_[i - 1].size;
    }
    if (ordered) {
      file_.read_at(first, out_);
    } else {
      walk(0, first, 0);
    }
  }

 private:
  // Bytes in the file from the first element of the axes from `axis` on to the last.
  std::uint64_t span_of(std::size_t axis) const {
    std::uint64_t bytes = element_;
    for (; axis < axes_.size(); ++axis) bytes += (axes_[axis].size - 1) * axes_[axis].from;
    return bytes;
  }

  // Whole blocks as soon as they are small enough; at most 64 levels deep.
  void walk(std::size_t axis, std::uint64_t from, std::uint64_t to) {
    const std::uint64_t bytes = span_of(axis);
    if (axis == axes_.size() || bytes <= kBlockBytes) {
      block_.resize(bytes);
      file_.read_at(from, block_);
      copy(axis, 0, to);
      return;
    }
    for (std::uint64_t i = 0; i < axes_[axis].size; ++i)
      walk(axis + 1, from + i * axes_[axis].from, to + i * axes_[axis].to);
  }

  void copy(std::size_t axis, std::uint64_t from, std::uint64_t to) {
    if (axis == axes_.size()) {
      std::memcpy(out_.data() + to, block_.data() + from, element_);
      return;
    }
    const Axis& a = axes_[axis];
    if (axis + 1 == axes_.size() && a.from == element_ && a.to == element_) {
      std::memcpy(out_.data() + to, block_.data() + from, a.size * element_);
      return;
    }
    for (std::uint64_t i = 0; i < a.size; ++i) copy(axis + 1, from + i * a.from, to + i * a.to);
  }

  const File& file_;
  std::vector<Axis> axes_;
  std::uint64_t element_;
  std::span<std::byte> out_;
  std::vector<std::byte> block_;
};

}  // namespace

StridedTensor StridedTensor::slice(std::int64_t begin, std::int64_t count) const {
  if (shape.empty() || begin < 0 || count < 0 || begin > shape[0] || count > shape[0] - begin)
    throw Error(ErrorCode::unexpected, fmt::format("entries {} to {} of a tensor of shape [{}]",
                                                   begin, begin + count, fmt::join(shape, ", ")));
  StridedTensor part = *this;
  part.shape[0] = count;
  part.nbytes = compact_bytes(part.shape, dtype);
  if (part.nbytes != 0)
    part.first += static_cast<std::uint64_t>(begin * strides[0]) * element_bytes(dtype);
  return part;
}

StridedTensor place_tensor(detent_dtype dtype, std::vector<std::int64_t> shape,
                           std::vector<std::int64_t> strides, std::uint64_t offset,
                           Extent storage) {
  StridedTensor tensor = {dtype, std::move(shape), std::move(strides), storage.offset, 0};
  tensor.nbytes = compact_bytes(tensor.shape, dtype);
  if (tensor.nbytes == 0) return tensor;
  const std::uint64_t element = element_bytes(dtype), held = storage.bytes / element;
  std::uint64_t last = 0;
  if (!reach(tensor.shape, tensor.strides, &last) || __builtin_add_overflow(last, offset, &last) ||
      last >= held)
    throw std::runtime_error(fmt::format(
        "shape [{}] with strides [{}] from element {} on reaches beyond the {} elements of its "
        "storage",
        fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "), offset, grouped(held)));
  tensor.first = storage.offset + offset * element;
  return tensor;
}

void read_strided(const SteadyFile& source, const StridedTensor& tensor, const std::string& name,
                  std::span<std::byte> out) {
  if (out.size() != tensor.nbytes)
    throw Error(ErrorCode::unexpected, fmt::format("tensor {} of {} bytes read into a buffer of {}",
                                                   shown(name), tensor.nbytes, out.size()));
  if (tensor.nbytes != 0) Gather(source.file, tensor, out).run(tensor.first);
  if (source.file.stamp() != source.stamp)
    refuse(source.file.path().string(), "was changed by another program while it was in use",
           "run again when nothing writes to the file", name);
}

}  // namespace detent
