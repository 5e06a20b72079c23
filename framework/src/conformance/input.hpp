// SPDX-License-Identifier: Apache-2.0
// Input: a tensor to be lent to a plugin, of any dtype and layout, in guarded memory.
#pragma once
#include <cstdint>
#include <detent/abi/base.h>
#include <functional>
#include <span>
#include <vector>

#include "conformance/guarded.hpp"

namespace detent::conformance {

using Shape = std::vector<std::int64_t>;

std::uint64_t count_elements(std::span<const std::int64_t> shape);

// How the elements lie; the tensor is the same.
enum class Layout {
  compact,
  transposed,  // the first dimension is the innermost
  reversed,    // every stride is negative
  gaps,        // every second element of every dimension
  offset,      // byte_offset is not 0
  unaligned,   // compact, at an odd address
  at_end,      // compact, right before memory that nobody may touch
  at_begin,    // compact, right behind it
};

// Values are rounded to the dtype: to nearest, ties to even; overflow becomes infinity.
class Input {
 public:
  Input(detent_dtype dtype, Shape shape, std::span<const double> values,
        Layout layout = Layout::compact);
  // Every element is one and the same: all strides are 0.
  static Input broadcast(detent_dtype dtype, Shape shape, double value);

  // Valid while this lives.
  const detent_tensor* c() const {
    tensor_.shape = shape_.empty() ? nullptr : shape_.data();
    tensor_.strides = strides_.empty() ? nullptr : strides_.data();
    return &tensor_;
  }
  const detent_tensor& operator*() const { return *c(); }
  const Shape& shape() const { return shape_; }
  void make_read_only() { memory_.make_read_only(); }  // whoever writes to it crashes
  void forbid() { memory_.forbid(); }                  // the call is over: whoever kept it crashes

 private:
  Input(detent_dtype dtype, Shape shape, std::uint64_t bytes, Flush flush, std::uint64_t skew);
  void write(std::span<const double> values);

  Shape shape_;
  Shape strides_;
  Guarded memory_;
  mutable detent_tensor tensor_{};
};

// One element of a dtype: f16, bf16, f32, f64, or an integer of 8 to 64 bits.
void write_element(detent_dtype dtype, double value, std::byte* to);
double read_element(detent_dtype dtype, const std::byte* from);

// A tensor's values in row-major order, whatever its strides. Sub-byte dtypes too.
std::vector<double> read_values(const detent_tensor& tensor);

}  // namespace detent::conformance
