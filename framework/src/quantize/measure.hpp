// SPDX-License-Identifier: Apache-2.0
// What the host measures itself: values that are not finite, and the error of a quantization.
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <limits>
#include <span>

#include "base/thread_pool.hpp"

namespace detent {

struct NonFinite {
  std::uint64_t count = 0;
  std::uint64_t first = 0;  // index of the first one, in elements
};

// data: elements of a floating-point dtype, compact. 0 for another dtype.
NonFinite count_non_finite(detent_dtype dtype, std::span<const std::byte> data, ThreadPool& pool);

struct QuantizationError {
  double signal = 0;  // sum of x^2
  double noise = 0;   // sum of (x - x')^2
  double max_abs_error = 0;
  double product = 0;   // sum of x x'
  double restored = 0;  // sum of x'^2
  std::uint64_t elements = 0;

  void add(const QuantizationError& other);  // of other elements

  // 10 log10(signal / noise), relative, no floor; +inf when equal; -inf when noise but no signal.
  double sqnr_db() const;
  double mse() const;     // 0 without elements
  double cosine() const;  // 1 when both are zero, 0 when one is
};

// How many dB less noise `error` has than `plain`, of the same elements: 0 when both have none,
// +inf and -inf when one has none.
double gain_db(const QuantizationError& error, const QuantizationError& plain);

// The SQNR of several tensors. Those that came back exactly (+inf) say nothing of the others, so
// they do not enter the mean; it is +inf when there are no others.
class SqnrSummary {
 public:
  void add(double db);
  bool empty() const { return count_ == 0; }
  double mean() const;
  double lowest() const { return lowest_; }

 private:
  double sum_ = 0;
  double lowest_ = std::numeric_limits<double>::infinity();
  std::uint64_t finite_ = 0;
  std::uint64_t count_ = 0;
};

// Sums of float64 over blocks of fixed size, added in their order: the same bits for any number of
// threads. original: compact, floating-point; dequantized: as many float32.
QuantizationError measure_error(detent_dtype dtype, std::span<const std::byte> original,
                                std::span<const float> dequantized, ThreadPool& pool);

}  // namespace detent
