// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <new>

#include "base/error.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kMaxNameBytes = 4096;

}  // namespace

// Wraps instead of overflowing when an extent of 0 hides that the others are huge: such a tensor
// has no element that a stride could lead to.
std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size());
  std::uint64_t step = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(shape[d]);
  }
  return strides;
}

bool is_valid_tensor(detent_dtype dtype, std::span<const std::int64_t> shape) {
  const std::uint32_t bits = DETENT_DTYPE_BITS(dtype);
  const std::uint32_t lanes = dtype >> 16;
  if (bits == 0 || bits > 64 || lanes != 1) return false;
  if (shape.size() > static_cast<std::size_t>(kMaxDimensions)) return false;
  const std::uint64_t nbytes =
      detent_nbytes(dtype, static_cast<std::int32_t>(shape.size()), shape.data());
  return nbytes <= static_cast<std::uint64_t>(PTRDIFF_MAX) - kAlignment;
}

bool is_valid_spec(const detent_tensor_spec* spec) {
  if (spec == nullptr || spec->name == nullptr || spec->name[0] == '\0') return false;
  if (std::char_traits<char>::length(spec->name) > kMaxNameBytes) return false;
  if (spec->ndim < 0 || spec->ndim > kMaxDimensions) return false;
  if (spec->ndim > 0 && spec->shape == nullptr) return false;
  return is_valid_tensor(spec->dtype, {spec->shape, static_cast<std::size_t>(spec->ndim)});
}

HostTensor::HostTensor(std::string name, detent_dtype dtype, std::vector<std::int64_t> shape,
                       Filled filled)
    : name_(std::move(name)), shape_(std::move(shape)) {
  if (!is_valid_tensor(dtype, shape_)) {
    throw Error(ErrorCode::unexpected, fmt::format("tensor \"{}\" has no valid size", name_));
  }
  const std::uint64_t nbytes =
      detent_nbytes(dtype, static_cast<std::int32_t>(shape_.size()), shape_.data());
  if (nbytes != 0) {
    // calloc, because the system's fresh pages are zero already: aligned_alloc would touch them
    // all.
    const std::size_t whole = nbytes + kAlignment - 1;
    memory_.reset(filled == Filled::later ? std::malloc(whole) : std::calloc(whole, 1));
    if (memory_ == nullptr) throw std::bad_alloc();
    void* at = memory_.get();
    std::size_t space = whole;
    data_ = static_cast<std::byte*>(std::align(kAlignment, nbytes, at, space));
    capacity_ = nbytes;
  }
  describe(dtype, nbytes);
}

// Of the memory at data_ and the extents in shape_.
void HostTensor::describe(detent_dtype dtype, std::uint64_t nbytes) {
  nbytes_ = nbytes;
  strides_ = row_major_strides(shape_);
  const auto ndim = static_cast<std::int32_t>(shape_.size());
  view_ = {nbytes != 0 ? data_ : nullptr,
           DETENT_DEVICE_CPU,
           0,
           ndim,
           dtype,
           ndim > 0 ? shape_.data() : nullptr,
           ndim > 0 ? strides_.data() : nullptr,
           0,
           nbytes_,
           0};
  lent_ = view_;
  lent_.flags |= DETENT_TENSOR_READ_ONLY;
}

bool HostTensor::reuse(const std::string& name, detent_dtype dtype,
                       const std::vector<std::int64_t>& shape) {
  if (!is_valid_tensor(dtype, shape)) return false;
  const std::uint64_t nbytes =
      detent_nbytes(dtype, static_cast<std::int32_t>(shape.size()), shape.data());
  if (nbytes == 0 || nbytes > capacity_ || nbytes < capacity_ / 4) return false;
  name_ = name;
  shape_ = shape;
  describe(dtype, nbytes);
  return true;
}

detent_tensor_spec HostTensor::spec() const {
  return {name_.c_str(), view_.shape, view_.ndim, view_.dtype};
}

std::uint64_t HostTensor::numel() const {
  if (std::find(shape_.begin(), shape_.end(), 0) != shape_.end()) return 0;
  std::uint64_t n = 1;
  for (const std::int64_t extent : shape_) n *= static_cast<std::uint64_t>(extent);
  return n;
}

}  // namespace detent
