// SPDX-License-Identifier: Apache-2.0
// The page's section on activations: what their observers saw and chose.
#pragma once
#include <string>

#include "json/value.hpp"

namespace detent {

// Empty when no layer's activations were quantized.
std::string calibration_section(const json::Value& report);

}  // namespace detent
