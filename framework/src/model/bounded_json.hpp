// SPDX-License-Identifier: Apache-2.0
// parse_bounded: json::parse for texts of strangers, whose tree would need far more memory than
// the text: "[0,0,0,..." takes 24 times its own size. Counted first, built afterwards.
#pragma once
#include <cstddef>
#include <string_view>

#include "json/value.hpp"

namespace detent {

struct JsonLimits {
  std::size_t depth = 8;
  std::size_t children = 0;  // of any one object or array
  std::size_t values = 0;    // in all
  bool minus_zero = true;    // may "-0" be an integer? json::Value does not tell it from 0
};

// Errors  json::ParseError: as json::parse, and for more than limits allow
json::Value parse_bounded(std::string_view text, const JsonLimits& limits);

}  // namespace detent
