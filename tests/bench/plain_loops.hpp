// SPDX-License-Identifier: Apache-2.0
// Loops as they are written without this project's kernels, compiled for the machine that runs
// them: what the kernels are compared with.
#pragma once
#include <cstddef>
#include <cstdint>

namespace detent::bench {

// The sum of the bits: reads, and does next to nothing else.
std::uint64_t plain_read(const float* x, std::size_t n);

// Symmetric 4-bit codes of groups: the largest magnitude, scale = most / 7, a product with the
// reciprocal, rounding, packing. `n` is a multiple of `group`, which is a multiple of 8.
void plain_int4(const float* x, std::size_t n, std::size_t group, float* scales,
                std::uint8_t* packed);

}  // namespace detent::bench
