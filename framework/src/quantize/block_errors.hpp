// SPDX-License-Identifier: Apache-2.0
// BlockErrors, ErrorTotals: the errors of a tensor that comes in blocks of any size, added up in
// the runs of kBlock elements in which those of a whole tensor are: the same bits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quantize/error_sums.hpp"

namespace detent {

// Of the elements [begin, begin + n) of a tensor: what can be added up without those before them.
class BlockErrors {
 public:
  // data, restored: the block's alone. A block that does not end its tensor has at least kBlock
  // elements.
  void add_up(detent_dtype dtype, std::uint64_t begin, std::span<const std::byte> data,
              std::span<const float> restored);

 private:
  friend class ErrorTotals;
  std::uint64_t head_ = 0;                // elements of a run that began in the block before
  std::vector<QuantizationError> whole_;  // runs
  ErrorSums tail_;                        // of a run that goes on in the next block
  bool has_tail_ = false;
};

// The blocks of one tensor, in their order.
class ErrorTotals {
 public:
  // The same data as BlockErrors was given.
  void add(const BlockErrors& block, detent_dtype dtype, std::uint64_t begin,
           std::span<const std::byte> data, std::span<const float> restored);
  QuantizationError total() const;  // of what was added

 private:
  QuantizationError runs_;
  ErrorSums open_;
  bool has_open_ = false;
};

}  // namespace detent
