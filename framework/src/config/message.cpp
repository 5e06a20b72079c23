// SPDX-License-Identifier: Apache-2.0
#include "config/message.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::size_t kLongest = 60;    // bytes of a value in a message
constexpr std::size_t kShortList = 16;  // names that a hint lists

std::string cut(std::string_view text, std::size_t size) {
  if (text.size() <= size) return std::string(text);
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return std::string(text.substr(0, size)) + "...";
}

}  // namespace

std::string quote_abridged(std::string_view text) { return json::quote(cut(text, kLongest)); }

std::string abridged(const json::Value& value) {
  if (const std::string* text = value.if_string()) return quote_abridged(*text);
  return cut(json::dump(value), kLongest);
}

std::string describe(const json::Value& value) {
  if (value.if_string() != nullptr) return "the string " + abridged(value);
  std::int64_t whole = 0;
  if (value.is_number() && !value.to_int(&whole)) return "the number " + abridged(value);
  return value.kind();
}

std::string join_or(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kLongest) return "";  // no typing mistake, and the distance is quadratic
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : fmt::format("did you mean {}?", json::quote(nearest));
}

std::string hint_for_unknown(std::string_view name, const std::vector<std::string>& allowed,
                             std::string_view what) {
  std::string hint = did_you_mean(name, allowed);
  if (allowed.empty()) return fmt::format("there are no {} here", what);
  if (allowed.size() > kShortList) return hint;
  if (!hint.empty()) hint += ' ';
  return hint + fmt::format("{}: {}", what, fmt::join(allowed, ", "));
}

}  // namespace detent
