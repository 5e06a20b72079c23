// SPDX-License-Identifier: Apache-2.0
// Element types: the ABI's numbers and the names that safetensors gives them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <detent/abi/base.h>

namespace detent {

inline constexpr detent_dtype kC64 = DETENT_DTYPE(5, 64);
inline constexpr detent_dtype kF6E2M3 = DETENT_DTYPE(15, 6);
inline constexpr detent_dtype kF6E3M2 = DETENT_DTYPE(16, 6);

// "F32", "BF16", "I8", ... as safetensors spells them; "I4" and "U4" for the packed codes, which
// safetensors has no name for; "?(code,bits)" for anything else.
std::string dtype_name(detent_dtype dtype);
std::optional<detent_dtype> dtype_from_name(std::string_view name);  // of safetensors

// F64, F32, F16, BF16: what can be quantized.
bool is_float(detent_dtype dtype);

}  // namespace detent
