// SPDX-License-Identifier: Apache-2.0
// Checks of what plugins put into a TensorStore. Each returns what is wrong, or an empty text.
#pragma once
#include <string>
#include <vector>

#include "plugin/instance.hpp"

namespace detent {

// An observer's "scale" and "zero_point" against the target it was asked for.
std::string wrong_in_qparams(const QuantTarget& target, const TensorStore& answer);

// A quantizer's tensors and metadata against its plan.
std::string wrong_in_quantized(const QuantizerPlan& plan, const TensorStore& answer);

// The index of the first element that is not finite and above zero, of f32, f64, f16, bf16,
// f8_e4m3fn and e8m0; the number of elements when there is none or the dtype is another.
std::uint64_t first_bad_scale(const HostTensor& scale);

// The index of the first element outside [low, high], of integers of 4 to 64 bits; the number of
// elements when there is none or the dtype is another.
std::uint64_t first_outside(const HostTensor& tensor, std::int64_t low, std::int64_t high);

// Are the unused bits at the end of each row of a 4-bit tensor zero?
bool has_clear_spare_bits(const HostTensor& tensor);

}  // namespace detent
