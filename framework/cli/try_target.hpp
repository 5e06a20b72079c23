// SPDX-License-Identifier: Apache-2.0
// Reading the JSON that is given on the command line.
#pragma once
#include <string>

#include "json/value.hpp"
#include "plugin/instance.hpp"

namespace detent::cli {

// Errors  Error{config} naming the option, with the column
json::Value parse_option(const char* option, const std::string& text);

// {"dtype": "int8"|"uint8"|"int4"|"uint4", "symmetric", "granularity", "axis", "group_size",
// "qmin", "qmax", "min_scale", "rules"}; empty text: int8, asymmetric, per tensor. Every key may be
// left out; symmetric signed 8-bit codes then are narrow (-127..127).
QuantTarget parse_target(const std::string& text);

}  // namespace detent::cli
