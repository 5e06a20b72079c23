// SPDX-License-Identifier: Apache-2.0
// ErrorSums: the sums of one block of elements that QuantizationError is made of.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "quantize/elements.hpp"
#include "quantize/measure.hpp"

namespace detent {

// Four sums side by side: the additions need not wait for each other. Which element goes into which
// depends on its index alone, so a block may come in pieces.
class ErrorSums {
 public:
  // Elements `from`, `from` + 1, ... of the original, and what became of them.
  template <class Reader>
  void add(const Reader& original, std::uint64_t from, std::span<const float> restored) {
    const std::size_t n = restored.size();
    std::size_t k = 0;
    for (; k < n && ((from + k) & 3U) != 0; ++k) add(original(from + k), restored[k], from + k);
    for (; k + 4 <= n; k += 4)  // the lanes in a loop of their own become vectors
      for (std::size_t lane = 0; lane < 4; ++lane)
        add(original(from + k + lane), restored[k + lane], lane);
    for (; k < n; ++k) add(original(from + k), restored[k], from + k);
    elements_ += n;
  }

  QuantizationError total() const {
    return {
        sum(signal_),  sum(noise_),    *std::max_element(std::begin(largest_), std::end(largest_)),
        sum(product_), sum(restored_), elements_};
  }

 private:
  void add(double x, float restored, std::uint64_t index) {
    const std::size_t lane = index & 3U;
    const double y = double{restored};
    const double error = x - y;
    signal_[lane] += x * x;
    noise_[lane] += error * error;
    restored_[lane] += y * y;
    product_[lane] += x * y;
    largest_[lane] = std::max(largest_[lane], std::fabs(error));
  }
  static double sum(const double (&lanes)[4]) {
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  }

  double signal_[4] = {};
  double noise_[4] = {};
  double restored_[4] = {};
  double product_[4] = {};
  double largest_[4] = {};
  std::uint64_t elements_ = 0;
};

// The errors of all elements: error_of(begin, end) of each block, added in the blocks' order. The
// same bits for any number of threads.
template <class ErrorOf>
QuantizationError sum_blocks(std::uint64_t elements, ThreadPool& pool, const ErrorOf& error_of) {
  std::vector<QuantizationError> blocks(block_count(elements));
  pool.parallel_for(blocks.size(), [&](std::uint64_t b) {
    blocks[b] = error_of(b * kBlock, std::min(elements, (b + 1) * kBlock));
  });
  QuantizationError all;
  for (const QuantizationError& block : blocks) all.add(block);
  return all;
}

// Of the dequantized values of a whole tensor. fresh(): what adds up the errors of a block.
template <class Fresh>
QuantizationError sum_errors(detent_dtype dtype, std::span<const std::byte> original,
                             std::span<const float> dequantized, ThreadPool& pool,
                             const Fresh& fresh) {
  QuantizationError all;
  with_reader(dtype, original.data(), [&](const auto& x) {
    all = sum_blocks(dequantized.size(), pool, [&](std::uint64_t begin, std::uint64_t end) {
      auto sums = fresh();
      sums.add(x, begin, dequantized.subspan(begin, end - begin));
      return sums.total();
    });
  });
  return all;
}

}  // namespace detent
