// SPDX-License-Identifier: Apache-2.0
// Quantizing a tensor block by block: the same bytes and the same figures as quantize_tensor of the
// whole.
#pragma once
#include <memory>
#include <optional>

#include "quantize/block_errors.hpp"
#include "quantize/quantize_tensor.hpp"
#include "quantize/scales.hpp"

namespace detent {

// Rows [first_row, first_row + rows) of a tensor of the plan.
struct RowBlock {
  const TensorPlan* plan = nullptr;
  const TensorInfo* info = nullptr;
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;

  std::uint64_t row_elements() const;
  std::uint64_t first_element() const { return first_row * row_elements(); }
  std::vector<std::int64_t> shape() const;  // of the block as a tensor
};

// What became of one block. Its tensors are in `outputs`, all of `rows` rows.
struct BlockResult {
  TensorStore outputs;
  BlockErrors error;
  BlockErrors rounding;
  bool has_rounding = false;  // measured, as the scheme claims more than plain rounding
  std::uint64_t overflows = 0;
  std::uint64_t dequantized_non_finite = 0;
};

// One for each thread: keeps the plugins' instances and the memory from block to block.
class BlockQuantizer {
 public:
  explicit BlockQuantizer(ThreadPool& pool);
  ~BlockQuantizer();

  // Rounds, measures, and leaves everything in result(). weight: finite, of the block's shape.
  //
  // Errors  as quantize_tensor; Error{plugin}: a plugin that calls its rows independent and plans
  //         something else for a block than for the whole
  void quantize(const RowBlock& block, const HostTensor& weight);

  const BlockResult& result() const { return result_; }
  std::span<const float> restored() const;         // what the codes stand for
  std::span<const float> plainly_rounded() const;  // where result().has_rounding

 private:
  struct Instances;
  Instances& instances_for(const RowBlock& block);

  ThreadPool& pool_;
  std::unique_ptr<Instances> whole_block_;  // for blocks of block_rows
  std::unique_ptr<Instances> last_block_;   // for what is left at a tensor's end
  TensorStore stats_;
  TensorStore floats_;  // the values restored, and those of plain rounding
  BlockResult result_;
};

// Puts the blocks of one tensor together, in their order.
class TensorGatherer {
 public:
  // Of the block that `quantizer` holds, of this weight.
  void add(const RowBlock& block, const HostTensor& weight, const BlockQuantizer& quantizer);
  TensorResult result(const TensorPlan& plan) const;

 private:
  ErrorTotals error_;
  ErrorTotals rounding_;
  bool has_rounding_ = false;
  ScaleTotals scales_;
  std::uint64_t overflows_ = 0;
  std::uint64_t dequantized_non_finite_ = 0;
};

}  // namespace detent
