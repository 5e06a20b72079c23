// SPDX-License-Identifier: Apache-2.0
// BlockReader: the elements of a floating-point tensor in row-major order, of any type and strides.
//
// Units     positions and counts are elements, in row-major order of the tensor's shape
// Rounding  16-bit types are exact in float32; float64 goes to the nearest float32, ties to even.
//           Ranges are those of the exact values, of float64 as well
// Threads   [any]: reading changes nothing
// Errors    the constructor throws sdk::Error{DETENT_E_UNSUPPORTED} for another type. What is asked
//           for must lie within the tensor
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include <detent/kernels/finite_range.hpp>
#include <detent/sdk/tensor_view.hpp>

namespace detent::quantizers {

class BlockReader {
 public:
  explicit BlockReader(const sdk::TensorView& tensor);

  std::int64_t numel() const { return numel_; }
  detent_dtype dtype() const { return dtype_; }

  // Elements [first, first + out.size()).
  void read(std::int64_t first, std::span<float> out) const;
  // The same, exact. Requires dtype() to be DETENT_F64.
  void read(std::int64_t first, std::span<double> out) const { gather(first, out); }
  // Where `count` elements from `first` lie: in the tensor when it holds them like that, otherwise
  // in buffer, into which they are read.
  const float* floats(std::int64_t first, std::int64_t count, float* buffer) const;

  // f(x) with the tensor's elements, of any floating-point type, side by side in row-major order.
  // False, and f not called, when they do not lie like that.
  template <class F>
  bool with_elements(F&& f) const {
    if (!in_place_) return false;
    switch (dtype_) {
      case DETENT_F16: f(reinterpret_cast<const kernels::Half*>(bytes_)); break;
      case DETENT_BF16: f(reinterpret_cast<const kernels::BFloat16*>(bytes_)); break;
      case DETENT_F64: f(reinterpret_cast<const double*>(bytes_)); break;
      default: f(reinterpret_cast<const float*>(bytes_)); break;
    }
    return true;
  }

  // Widens out[r] by the elements [first + r * length, first + (r + 1) * length), r in [0, runs).
  void find_ranges(std::int64_t first, std::int64_t runs, std::int64_t length,
                   kernels::FiniteRange* out) const;

 private:
  template <class T>
  void gather(std::int64_t first, std::span<T> out) const;
  template <class T>
  void gather_strided(std::int64_t first, std::span<T> out) const;
  template <class T>
  void find_ranges_of(std::int64_t first, std::int64_t runs, std::int64_t length,
                      kernels::FiniteRange* out) const;

  const char* bytes_;
  detent_dtype dtype_;
  bool contiguous_;
  bool in_place_;  // contiguous and aligned
  std::int64_t numel_;
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
};

}  // namespace detent::quantizers
