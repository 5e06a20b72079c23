// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <numeric>

namespace detent {
namespace {

// One character of UTF-8: its code point and its length in bytes. A byte that begins no valid
// character stands for itself, so that decoding never fails and always moves on.
struct Character {
  char32_t code;
  std::size_t length;
  bool valid;
};

Character decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  const Character invalid = {lead, 1, false};
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || length > text.size() - at) return invalid;
  char32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return invalid;
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest[length] || code > 0x10FFFF || surrogate) return invalid;
  return {code, length, true};
}

// Code points that a terminal acts on, or that make a name look like another one.
bool is_deceptive(char32_t code) {
  const auto in = [code](char32_t low, char32_t high) { return code >= low && code <= high; };
  return in(0x80, 0x9F)         // C1 controls: U+009B begins an escape sequence
         || in(0x200B, 0x200F)  // zero width, left-to-right and right-to-left marks
         || in(0x2028, 0x202E)  // line separators, bidirectional embeddings and overrides
         || in(0x2060, 0x206F)  // invisible operators, bidirectional isolates
         || code == 0x061C || code == 0xFEFF || in(0xFFF9, 0xFFFB) || in(0xE0000, 0xE007F);  // tags
}

// Edit distance in which swapping two neighbours counts as one step, as typing mistakes do.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool swapped =
          i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && a[i - 1] != b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

// A class "[abc]" or "[!a-z]" of a glob that begins at pattern[at]: where it ends, and whether it
// holds code. end == npos: no closing bracket, so '[' is an ordinary character.
struct ClassMatch {
  std::size_t end;
  bool holds;
};

ClassMatch match_class(std::string_view pattern, std::size_t at, char32_t code) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) ++i;
  bool found = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) return {i + 1, found != negated};
    const Character low = decode(pattern, i);
    i += low.length;
    Character high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      high = decode(pattern, i + 1);
      i += 1 + high.length;
    }
    found = found || (low.code <= code && code <= high.code);
  }
  return {std::string_view::npos, false};
}

// The one step of a glob at pattern[p] that is no '*': the place after it in the pattern, or npos
// when it does not match c.
std::size_t match_step(std::string_view pattern, std::size_t p, const Character& c) {
  if (pattern[p] == '?') return p + 1;
  if (pattern[p] == '[') {
    const ClassMatch match = match_class(pattern, p, c.code);
    if (match.end != std::string_view::npos)
      return match.holds ? match.end : std::string_view::npos;
  }
  const Character wanted = decode(pattern, p);
  const bool same = wanted.code == c.code && wanted.valid == c.valid;
  return same ? p + wanted.length : std::string_view::npos;
}

}  // namespace

std::string normalise_name(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '_' || c == '-') continue;
    result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 256;  // nobody mistypes more, and the distance is quadratic
  const std::string wanted = normalise_name(name);
  if (wanted.empty() || wanted.size() > kLongest) return {};
  std::size_t best_distance = 1 + wanted.size() / 3;
  const std::string* best = nullptr;
  for (const std::string& candidate : candidates) {
    const std::string offered = normalise_name(candidate);
    if (offered.empty() || offered.size() > kLongest) continue;
    const std::size_t longer = std::max(wanted.size(), offered.size());
    if (longer - std::min(wanted.size(), offered.size()) > best_distance)
      continue;  // so far, at least
    const std::size_t distance = edit_distance(wanted, offered);
    const bool nothing_in_common = distance >= longer;
    if (nothing_in_common || distance > best_distance) continue;
    if (best != nullptr && distance == best_distance) continue;  // the first of equals
    best_distance = distance;
    best = &candidate;
  }
  return best == nullptr ? std::string() : *best;
}

// Only the last '*' is ever tried again, which is enough, so the work is at most the product of
// the lengths; a recursive matcher takes exponential time on "*a*a*a*b".
bool glob_match(std::string_view pattern, std::string_view text) {
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t p = 0, t = 0;
  std::size_t star = kNone;       // the pattern after the last '*'
  std::size_t star_text = kNone;  // the text that this '*' does not cover yet
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    const Character c = decode(text, t);
    const std::size_t next = p < pattern.size() ? match_step(pattern, p, c) : kNone;
    if (next != kNone) {
      p = next;
      t += c.length;
    } else if (star != kNone) {
      star_text += decode(text, star_text).length;
      p = star;
      t = star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == kNone;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {  // 999.5 would be printed as 1000
    value /= 1000;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = decode(text, at);
    if (!c.valid || c.code < 0x20 || c.code == 0x7F) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(c.code));
    } else if (is_deceptive(c.code)) {
      result += fmt::format("\\u{{{:04X}}}", static_cast<unsigned>(c.code));
    } else {
      result += text.substr(at, c.length);
    }
    at += c.length;
  }
  return result;
}

std::string join_words(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? " and " : ", ";
    result += words[i];
  }
  return result;
}

}  // namespace detent
