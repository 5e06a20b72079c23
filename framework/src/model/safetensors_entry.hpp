// SPDX-License-Identifier: Apache-2.0
// One tensor of a safetensors header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}.
#pragma once
#include <cstddef>
#include <string>

#include "json/value.hpp"
#include "model/model.hpp"

namespace detent {

inline constexpr std::size_t kMaxNameBytes = 4096;
inline constexpr std::size_t kMaxRank = 64;

// Everything that can be checked without the other tensors: name, dtype, shape, sizes. In the
// result offset is relative to the beginning of the data.
//
// Errors  Error{io} with file, tensor and the rule that is broken
// Source  https://github.com/huggingface/safetensors#format
TensorInfo parse_safetensors_entry(const json::Member& member, const std::string& file);

}  // namespace detent
