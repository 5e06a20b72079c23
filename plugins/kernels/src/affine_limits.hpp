// SPDX-License-Identifier: Apache-2.0
// What a scale may be: of choose_affine, and of the kernels that do the same for many ranges.
#pragma once
#include <limits>

namespace detent::kernels {

inline constexpr double kSmallest = std::numeric_limits<float>::min();
// A little less than the largest float32, so that a scale rounded upwards does not exceed it.
inline constexpr double kLargest = std::numeric_limits<float>::max() * (1 - 0x1p-23);

}  // namespace detent::kernels
