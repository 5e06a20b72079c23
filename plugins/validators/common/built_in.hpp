// SPDX-License-Identifier: Apache-2.0
// The descriptor fields that the validators of this repository have in common.
#pragma once
#include <detent/sdk/validator.hpp>

namespace detent::validators {

struct BuiltIn : sdk::Validator {
  static constexpr const char* version = "0.1.0";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;
};

// A tensor that the quantizer took.
inline bool is_quantized(const detent_check_input& input) { return input.is_quantized != 0; }

}  // namespace detent::validators
