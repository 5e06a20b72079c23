// SPDX-License-Identifier: Apache-2.0
// TensorStore: named tensors and metadata in memory, as a sink and a source for plugins.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <detent/abi/base.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace detent {

inline constexpr std::int32_t kMaxDimensions = 64;

// Is this the description of a tensor that can exist: 1 to 64 bits an element, at most
// kMaxDimensions extents, none negative, a size in bytes that fits?
bool is_valid_tensor(detent_dtype dtype, std::span<const std::int64_t> shape);
// The same of what a plugin handed over; its pointers are tested too. The name is not empty.
bool is_valid_spec(const detent_tensor_spec* spec);

// Of a compact tensor, in elements.
std::vector<std::int64_t> row_major_strides(const std::vector<std::int64_t>& shape);

// A compact, row-major tensor of the host; the view's pointers stay valid while it lives.
//
// Errors  Error{unexpected} for a shape that is_valid_tensor refuses; std::bad_alloc
class HostTensor {
 public:
  // later: who makes it writes every byte before anybody reads one.
  enum class Filled { with_zeros, later };
  HostTensor(std::string name, detent_dtype dtype, std::vector<std::int64_t> shape,
             Filled filled = Filled::with_zeros);
  HostTensor(const HostTensor&) = delete;
  HostTensor& operator=(const HostTensor&) = delete;

  // Becomes another tensor in the same memory, whose bytes stay; false, and unchanged, when that is
  // too small or four times too large.
  bool reuse(const std::string& name, detent_dtype dtype, const std::vector<std::int64_t>& shape);

  const std::string& name() const { return name_; }
  detent_dtype dtype() const { return view_.dtype; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::span<std::byte> bytes() { return {data_, nbytes_}; }
  std::span<const std::byte> bytes() const { return {data_, nbytes_}; }
  const detent_tensor& view() const { return view_; }  // writable
  detent_tensor read_only() const { return lent_; }
  const detent_tensor* lent() const { return &lent_; }  // read-only, lives as long as this
  detent_tensor_spec spec() const;
  std::uint64_t numel() const;

 private:
  void describe(detent_dtype dtype, std::uint64_t nbytes);

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::string name_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::uint64_t nbytes_ = 0;
  std::uint64_t capacity_ = 0;  // bytes at data_
  std::unique_ptr<void, Free> memory_;
  std::byte* data_ = nullptr;  // in memory_, aligned to 64 bytes
  detent_tensor view_{};
  detent_tensor lent_{};
};

// Threads  one at a time
class TensorStore {
 public:
  TensorStore();
  TensorStore(const TensorStore&) = delete;
  TensorStore& operator=(const TensorStore&) = delete;

  // Errors  Error{unexpected} when the name is taken, and those of HostTensor
  HostTensor& add(std::string name, detent_dtype dtype, std::vector<std::int64_t> shape);
  const HostTensor* find(std::string_view name) const;
  HostTensor* find(std::string_view name);
  const std::deque<std::unique_ptr<HostTensor>>& tensors() const { return tensors_; }
  void set_meta(std::string_view key, std::string json);  // replaces
  const std::string* meta(std::string_view key) const;
  const std::vector<std::pair<std::string, std::string>>& all_meta() const { return meta_; }
  // What is added next may take the memory of what was there.
  void clear();

  // The sink checks everything a plugin may get wrong: DETENT_E_INVALID_ARG for a spec that
  // is_valid_spec refuses and for a name used twice, DETENT_E_NO_MEMORY.
  const detent_tensor_sink* sink() const { return &sink_; }
  const detent_tensor_source* source() const { return &source_; }

 private:
  std::unique_ptr<HostTensor> make(const std::string& name, detent_dtype dtype,
                                   const std::vector<std::int64_t>& shape);

  std::deque<std::unique_ptr<HostTensor>> tensors_;
  std::vector<std::unique_ptr<HostTensor>> spare_;  // of before the last clear
  std::vector<std::pair<std::string, std::string>> meta_;
  detent_tensor_sink sink_{};
  detent_tensor_source source_{};
};

}  // namespace detent
