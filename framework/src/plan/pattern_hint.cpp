// SPDX-License-Identifier: Apache-2.0
#include "plan/pattern_hint.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <stdexcept>
#include <string_view>

#include "config/message.hpp"
#include "config/pattern.hpp"

namespace detent {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kExpression = "re:";
constexpr std::string_view kWild = "*?[";

bool is_expression(std::string_view pattern) { return pattern.starts_with(kExpression); }

// "X would match Y", when the wider pattern X matches something.
std::string try_wider(const std::string& wider, const Names& names) {
  try {
    const Pattern pattern(wider);
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&](const std::string& n) { return pattern.matches(n); });
    if (found == names.end()) return {};
    return fmt::format("{} would match {}", quote_abridged(wider), quote_abridged(*found));
  } catch (const std::invalid_argument&) {
    return {};  // wider is longer, and may be longer than an expression can be
  }
}

std::vector<std::string> components(std::string_view name) {
  std::vector<std::string> all;
  for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.')) {
    all.emplace_back(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  all.emplace_back(name);
  return all;
}

// A word of the glob that no name has, and the nearest that one has.
std::string misspelt_word(const std::string& glob, const Names& names) {
  std::set<std::string> known;
  for (const std::string& name : names)
    for (std::string& word : components(name)) known.insert(std::move(word));
  const Names words(known.begin(), known.end());
  for (const std::string& word : components(glob)) {
    const bool literal = word.find_first_of(kWild) == std::string::npos;
    if (!literal || known.contains(word)) continue;
    const std::string hint = did_you_mean(word, words);
    if (!hint.empty()) return fmt::format("no name has {}; {}", quote_abridged(word), hint);
  }
  return {};
}

}  // namespace

std::string hint_for_name(const std::string& pattern, const Names& names) {
  if (is_expression(pattern)) {
    const std::string inner = pattern.substr(kExpression.size());
    const std::string wider = try_wider(fmt::format("re:.*(?:{}).*", inner), names);
    return wider.empty() ? wider : "an expression matches whole names; " + wider;
  }
  for (const std::string& wider : {"*." + pattern, "*" + pattern + "*"})
    if (std::string hint = try_wider(wider, names); !hint.empty()) return hint;
  if (pattern.find_first_of(kWild) != std::string::npos) return misspelt_word(pattern, names);
  return did_you_mean(pattern, names);
}

std::string hint_for_type(const std::string& pattern, const Names& types) {
  if (is_expression(pattern)) return hint_for_name(pattern, types);
  return hint_for_unknown(pattern, types, "the types of this model");
}

}  // namespace detent
