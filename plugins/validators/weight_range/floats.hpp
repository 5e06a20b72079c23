// SPDX-License-Identifier: Apache-2.0
// Counts of floating-point values that must not be there.
#pragma once
#include <cstdint>

#include <detent/sdk/tensor_view.hpp>

namespace detent::validators {

// NaN and infinities in an f32, f64, f16 or bf16 tensor of any strides; 0 for other dtypes.
uint64_t count_non_finite(const sdk::TensorView& x);

// Values that are no scale: NaN, infinite, zero or negative. A tensor of another dtype than the
// four has none that is right: its number of elements.
uint64_t count_bad_scales(const sdk::TensorView& scales);

}  // namespace detent::validators
