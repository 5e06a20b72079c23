// SPDX-License-Identifier: Apache-2.0
// Numbers and names for findings that people read.
#pragma once
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace detent::validators {

// "12.35", "inf": fixed point whatever the locale.
inline std::string decimal(double value, int digits = 2) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char text[400];  // 309 digits, a sign, a point and the digits behind it
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
  return std::string(text, end.ptr);
}

inline std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

// "1 code", "3 codes".
inline std::string counted(uint64_t n, std::string_view noun) {
  return std::to_string(n) + ' ' + std::string(noun) + (n == 1 ? "" : "s");
}

}  // namespace detent::validators
