// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"

namespace detent {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_number(std::string_view text) {  // without leading zeros
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit) &&
         (text.size() == 1 || text[0] != '0');
}

// What follows '-' or '+': identifiers of letters, digits and '-', separated by dots.
bool is_identifiers(std::string_view text, bool numbers_without_leading_zeros) {
  for (;;) {
    const std::size_t dot = text.find('.');
    const std::string_view one = text.substr(0, dot);
    const bool letters = std::all_of(one.begin(), one.end(), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    });
    if (one.empty() || !letters) return false;
    const bool digits = std::all_of(one.begin(), one.end(), is_digit);
    if (numbers_without_leading_zeros && digits && !is_number(one)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned char lead = byte(0);
    const std::size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (n == 0 || lead > 0xF4 || n > text.size() - i) return false;
    for (std::size_t k = 1; k < n; ++k) {
      if ((byte(k) & 0xC0U) != 0x80U) return false;
    }
    // Overlong forms, surrogates and code points after the last one.
    if (lead == 0xE0 && byte(1) < 0xA0) return false;
    if (lead == 0xED && byte(1) > 0x9F) return false;
    if (lead == 0xF0 && byte(1) < 0x90) return false;
    if (lead == 0xF4 && byte(1) > 0x8F) return false;
    i += n;
  }
  return true;
}

}  // namespace

bool is_semver(std::string_view text) {
  const std::size_t plus = text.find('+');
  if (plus != std::string_view::npos) {
    if (!is_identifiers(text.substr(plus + 1), false)) return false;
    text = text.substr(0, plus);
  }
  const std::size_t minus = text.find('-');
  if (minus != std::string_view::npos) {
    if (!is_identifiers(text.substr(minus + 1), true)) return false;
    text = text.substr(0, minus);
  }
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return false;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos) return false;
  return is_number(text.substr(0, first)) &&
         is_number(text.substr(first + 1, second - first - 1)) &&
         is_number(text.substr(second + 1));
}

std::string checked_text(const char* text, const std::string& what, std::size_t max_bytes) {
  if (text == nullptr) throw Error(ErrorCode::plugin, what + " is NULL");
  const std::size_t length = ::strnlen(text, max_bytes + 1);
  if (length > max_bytes) {
    throw Error(ErrorCode::plugin, fmt::format("{} is longer than {} bytes", what, max_bytes));
  }
  const std::string_view view(text, length);
  if (!is_utf8(view)) throw Error(ErrorCode::plugin, what + " is not UTF-8");
  return std::string(view);
}

}  // namespace detent
