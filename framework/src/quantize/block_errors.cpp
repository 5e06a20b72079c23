// SPDX-License-Identifier: Apache-2.0
#include "quantize/block_errors.hpp"

#include <algorithm>

namespace detent {

void BlockErrors::add_up(detent_dtype dtype, std::uint64_t begin, std::span<const std::byte> data,
                         std::span<const float> restored) {
  const std::uint64_t n = restored.size();
  head_ = std::min(n, (kBlock - begin % kBlock) % kBlock);
  whole_.clear();
  has_tail_ = false;
  const auto sum_runs = [&](const auto& x) {
    for (std::uint64_t at = head_; at < n; at += kBlock) {
      const std::uint64_t length = std::min(kBlock, n - at);
      ErrorSums sums;
      sums.add(x, begin + at, restored.subspan(at, length));
      has_tail_ = length < kBlock;
      if (has_tail_) {
        tail_ = sums;
      } else {
        whole_.push_back(sums.total());
      }
    }
  };
  with_reader(dtype, data.data(), sum_runs, begin);
}

void ErrorTotals::add(const BlockErrors& block, detent_dtype dtype, std::uint64_t begin,
                      std::span<const std::byte> data, std::span<const float> restored) {
  if (block.head_ != 0) {
    with_reader(
        dtype, data.data(),
        [&](const auto& x) { open_.add(x, begin, restored.first(block.head_)); }, begin);
    has_open_ = (begin + block.head_) % kBlock != 0;
    if (!has_open_) runs_.add(open_.total());
  }
  for (const QuantizationError& run : block.whole_) runs_.add(run);
  if (!block.has_tail_) return;
  open_ = block.tail_;
  has_open_ = true;
}

QuantizationError ErrorTotals::total() const {
  QuantizationError all = runs_;
  if (has_open_) all.add(open_.total());
  return all;
}

}  // namespace detent
