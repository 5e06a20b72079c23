// SPDX-License-Identifier: Apache-2.0
#include "quantize/measure.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace {

constexpr std::uint64_t kBlock = 1U << 16U;  // elements

// Calls f(reader) with a function that reads element i of the data as double; false for other
// dtypes.
template <class F>
bool with_reader(detent_dtype dtype, const std::byte* data, F&& f) {
  const auto load = [data]<class T>(std::uint64_t i, T) {
    T value;
    std::memcpy(&value, data + i * sizeof(T), sizeof(T));
    return value;
  };
  switch (dtype) {
    case DETENT_F32: f([=](std::uint64_t i) { return double{load(i, float{})}; }); return true;
    case DETENT_F64: f([=](std::uint64_t i) { return load(i, double{}); }); return true;
    case DETENT_F16:
      f([=](std::uint64_t i) { return double{sdk::half_to_float(load(i, std::uint16_t{}))}; });
      return true;
    case DETENT_BF16:
      f([=](std::uint64_t i) { return double{sdk::bfloat16_to_float(load(i, std::uint16_t{}))}; });
      return true;
    default: return false;
  }
}

std::uint64_t block_count(std::uint64_t elements) { return (elements + kBlock - 1) / kBlock; }

// Four sums side by side: the additions need not wait for each other, and their order is fixed.
template <class Reader>
QuantizationError measure_block(const Reader& x, const float* y, std::uint64_t from,
                                std::uint64_t to) {
  double signal[4] = {};
  double noise[4] = {};
  double largest[4] = {};
  for (std::uint64_t i = from; i < to; ++i) {
    const std::size_t lane = i & 3U;
    const double original = x(i);
    const double error = original - double{y[i]};
    signal[lane] += original * original;
    noise[lane] += error * error;
    largest[lane] = std::max(largest[lane], std::fabs(error));
  }
  return {(signal[0] + signal[1]) + (signal[2] + signal[3]),
          (noise[0] + noise[1]) + (noise[2] + noise[3]),
          *std::max_element(std::begin(largest), std::end(largest))};
}

}  // namespace

NonFinite count_non_finite(detent_dtype dtype, std::span<const std::byte> data, ThreadPool& pool) {
  const std::uint64_t n = data.size() * 8 / DETENT_DTYPE_BITS(dtype);
  constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  std::vector<NonFinite> blocks(block_count(n), {0, kNone});
  with_reader(dtype, data.data(), [&](const auto& x) {
    pool.parallel_for(blocks.size(), [&](std::uint64_t b) {
      NonFinite& block = blocks[b];
      for (std::uint64_t i = b * kBlock; i < std::min(n, (b + 1) * kBlock); ++i) {
        if (std::isfinite(x(i))) continue;
        block.first = std::min(block.first, i);
        ++block.count;
      }
    });
  });
  NonFinite all{0, kNone};
  for (const NonFinite& b : blocks) {
    all.count += b.count;
    all.first = std::min(all.first, b.first);
  }
  return all;
}

double QuantizationError::sqnr_db() const {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
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
  const std::uint64_t n = dequantized.size();
  std::vector<QuantizationError> blocks(block_count(n));
  with_reader(dtype, original.data(), [&](const auto& x) {
    pool.parallel_for(blocks.size(), [&](std::uint64_t b) {
      blocks[b] = measure_block(x, dequantized.data(), b * kBlock, std::min(n, (b + 1) * kBlock));
    });
  });
  QuantizationError all;
  for (const QuantizationError& b : blocks) {
    all.signal += b.signal;
    all.noise += b.noise;
    all.max_abs_error = std::max(all.max_abs_error, b.max_abs_error);
  }
  return all;
}

}  // namespace detent
