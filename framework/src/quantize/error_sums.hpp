// SPDX-License-Identifier: Apache-2.0
// ErrorSums: the sums of one block of elements that QuantizationError is made of.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "quantize/elements.hpp"
#include "quantize/measure.hpp"
#include <detent/kernels/error_lanes.hpp>

namespace detent {

// Four sums side by side. Which element goes into which depends on its index alone, so a block may
// come in pieces.
class ErrorSums {
 public:
  // Elements `from`, `from` + 1, ... of the original, and what became of them.
  template <class T>
  void add(const ElementReader<T>& original, std::uint64_t from, std::span<const float> restored) {
    kernels::add_errors(original.at(from), restored.data(), restored.size(), from, sums_);
    elements_ += restored.size();
  }

  QuantizationError total() const {
    return {sum(sums_.signal),
            sum(sums_.noise),
            *std::max_element(std::begin(sums_.largest), std::end(sums_.largest)),
            sum(sums_.product),
            sum(sums_.restored),
            elements_};
  }

 private:
  static double sum(const double (&lanes)[4]) {
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  }

  kernels::ErrorLanes sums_;
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
