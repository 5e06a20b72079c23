// SPDX-License-Identifier: Apache-2.0
// Which tensors go through a run in blocks of rows, and how much memory the run takes at most.
#pragma once
#include <cstdint>

#include "config/config.hpp"
#include "plan/plan.hpp"

namespace detent {

// Errors are added up over runs of so many elements, whatever the blocks: a block that is not the
// last of its tensor has at least as many.
constexpr std::uint64_t kErrorBlock = 1U << 16U;

// Sets TensorPlan::block_rows and Plan::peak_memory_bytes. A tensor goes in blocks when the model's
// file can be read in parts, every serializer takes rows, and what makes its codes says that rows
// are independent (DETENT_PLUGIN_ROWWISE); blocks are as large as fits the second-level cache and
// the memory limit. Whatever the blocks and the threads, the results are the same bytes.
//
// Errors  Error{config}: the run needs more than config.memory_limit
void plan_blocks(const Config& config, const Model& model, const Program* program, unsigned threads,
                 Plan& plan);

// The bytes of a block, or of the whole tensor where it goes in one piece.
std::uint64_t piece_bytes(const TensorPlan& plan, const TensorInfo& info);

}  // namespace detent
