// SPDX-License-Identifier: Apache-2.0
#include "quantize/measure.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quantize/elements.hpp"
#include "quantize/error_sums.hpp"
#include <detent/kernels/non_finite.hpp>

namespace detent {

NonFinite count_non_finite(detent_dtype dtype, std::span<const std::byte> data, ThreadPool& pool) {
  const std::uint64_t n = data.size() * 8 / DETENT_DTYPE_BITS(dtype);
  std::vector<std::uint64_t> counts(block_count(n));
  NonFinite all;
  const auto count = [&](const auto& x) {
    const auto end_of = [n](std::uint64_t b) { return std::min(n, (b + 1) * kBlock); };
    pool.parallel_for(counts.size(), [&](std::uint64_t b) {
      counts[b] = kernels::count_non_finite(x.at(b * kBlock), end_of(b) - b * kBlock);
    });
    for (std::uint64_t b = 0; b < counts.size(); ++b) {
      if (all.count == 0 && counts[b] != 0) {
        all.first = b * kBlock;
        while (std::isfinite(x(all.first))) ++all.first;
      }
      all.count += counts[b];
    }
  };
  with_reader(dtype, data.data(), count);
  return all;
}

void QuantizationError::add(const QuantizationError& other) {
  signal += other.signal;
  noise += other.noise;
  max_abs_error = std::max(max_abs_error, other.max_abs_error);
  product += other.product;
  restored += other.restored;
  elements += other.elements;
}

double QuantizationError::sqnr_db() const {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

double QuantizationError::mse() const {
  return elements == 0 ? 0 : noise / static_cast<double>(elements);
}

double QuantizationError::cosine() const {
  if (noise == 0) return 1;
  if (signal == 0 || restored == 0) return 0;
  return std::clamp(product / (std::sqrt(signal) * std::sqrt(restored)), -1.0, 1.0);
}

double gain_db(const QuantizationError& error, const QuantizationError& plain) {
  if (error.noise == plain.noise) return 0;
  return 10 * std::log10(plain.noise / error.noise);
}

void SqnrSummary::add(double db) {
  ++count_;
  lowest_ = std::min(lowest_, db);
  if (!std::isfinite(db)) return;
  sum_ += db;
  ++finite_;
}

double SqnrSummary::mean() const {
  return finite_ == 0 ? std::numeric_limits<double>::infinity()
                      : sum_ / static_cast<double>(finite_);
}

QuantizationError measure_error(detent_dtype dtype, std::span<const std::byte> original,
                                std::span<const float> dequantized, ThreadPool& pool) {
  return sum_errors(dtype, original, dequantized, pool, [] { return ErrorSums(); });
}

}  // namespace detent
