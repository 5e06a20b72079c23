// SPDX-License-Identifier: Apache-2.0
// What 4 bits are too few for, and group sizes that fit.
#pragma once
#include <cstdint>
#include <string>

#include <detent/sdk/quantizer.hpp>

namespace detent::quantizers {

// The layers that "default_skip" leaves alone, with the reason; empty for others: Embedding,
// EmbeddingBag, layers with fewer than 512 parameters, the output layer lm_head (last part of the
// path).
std::string why_skipped_by_default(const sdk::TensorInfo& tensor);

// For "tail": "error", when rows of `columns` elements are not whole groups: two lines, what does
// not fit and what would.
std::string explain_misfit(const sdk::TensorInfo& tensor, std::int64_t columns,
                           std::int64_t group_size);

}  // namespace detent::quantizers
