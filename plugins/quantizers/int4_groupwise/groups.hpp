// SPDX-License-Identifier: Apache-2.0
// GroupedMatrix: a weight as rows of groups; choosing their scales, codes and back.
//
// The rows are those of [shape[0], product of the other extents], as DETENT_PER_GROUP says: outputs
// of a Linear, filters of a convolution. All loops run in fixed blocks of rows, so results do not
// depend on the number of threads.
#pragma once
#include <cstdint>
#include <vector>

#include "common/block_reader.hpp"
#include "common/stored.hpp"
#include <detent/kernels/affine.hpp>
#include <detent/sdk/call.hpp>

namespace detent::quantizers {

constexpr kernels::Codes kInt4{-8, 7};

struct GroupedMatrix {
  GroupedMatrix(const Shape& shape, std::int64_t group_size);

  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t group_size;  // at most `columns`: a longer one is one short group
  std::int64_t groups_per_row;

  Shape codes_shape() const { return {rows, columns}; }
  Shape scale_shape() const { return {rows, groups_per_row}; }
  std::int64_t row_bytes() const { return columns / 2 + columns % 2; }
};

enum class ScaleSearch { none, mse };

struct GroupRules {
  kernels::Mapping mapping;
  ScaleSearch search;
  kernels::AffineRule rule;
};

// params has an entry for each group: what an observer chose, or, when it is empty, room is made
// and they are chosen here. With a search they are replaced by better ones, and never by worse ones
// than plain rounding's. Then codes are written, row_bytes() for each row.
//
// Errors    DETENT_E_NUMERIC for NaN and infinite values, where scales are chosen here
sdk::Status quantize_groups(const BlockReader& weight, const GroupedMatrix& matrix,
                            GroupRules rules, const sdk::Call& call,
                            std::vector<kernels::AffineParams>& params, std::uint8_t* codes);

sdk::Status dequantize_groups(const std::uint8_t* codes, const GroupedMatrix& matrix,
                              const std::vector<kernels::AffineParams>& params,
                              const sdk::Call& call, float* x);

}  // namespace detent::quantizers
