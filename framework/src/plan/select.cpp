// SPDX-License-Identifier: Apache-2.0
#include "plan/select.hpp"

#include <algorithm>

namespace detent {

PatternMatcher::PatternMatcher(const NamePattern& pattern)
    : pattern_(pattern), compiled_(pattern.text) {}

bool PatternMatcher::matches(std::string_view name) {
  const bool hit = compiled_.matches(name);
  used_ = used_ || hit;
  return hit;
}

namespace {
std::vector<PatternMatcher> compile(const std::vector<NamePattern>& patterns) {
  return {patterns.begin(), patterns.end()};
}
// Every pattern is tried, even after a hit: each must learn whether it is of use.
bool any_of(std::vector<PatternMatcher>& patterns, std::string_view name) {
  bool hit = false;
  for (PatternMatcher& p : patterns) hit = p.matches(name) || hit;
  return hit;
}
}  // namespace

Matcher::Matcher(const Match& match)
    : match_(match), names_(compile(match.names)), types_(compile(match.types)) {}

bool Matcher::matches(const Layer& layer, const TensorInfo& tensor) {
  bool hit = true;
  if (!names_.empty()) {
    const bool by_layer = any_of(names_, layer.name);
    const bool by_tensor = any_of(names_, tensor.name);
    hit = by_layer || by_tensor;
  }
  if (!types_.empty()) hit = any_of(types_, layer.type) && hit;
  const auto params = static_cast<std::int64_t>(layer.params);
  if (match_.min_params && params < *match_.min_params) return false;
  if (match_.max_params && params > *match_.max_params) return false;
  const auto& dtypes = match_.dtypes;
  if (!dtypes.empty() && std::find(dtypes.begin(), dtypes.end(), tensor.dtype) == dtypes.end())
    return false;
  return hit;
}

std::vector<const NamePattern*> Matcher::unused_patterns() const {
  std::vector<const NamePattern*> unused;
  for (const auto* list : {&names_, &types_})
    for (const PatternMatcher& p : *list)
      if (!p.used()) unused.push_back(&p.pattern());
  return unused;
}

RuleMatcher::RuleMatcher(const Rule& rule)
    : rule_(&rule), match_(rule.match), exclude_(rule.exclude.begin(), rule.exclude.end()) {}

bool RuleMatcher::matches(const Layer& layer, const TensorInfo& tensor) {
  if (!match_.matches(layer, tensor)) return false;
  bool excluded = false;
  for (Matcher& m : exclude_) excluded = m.matches(layer, tensor) || excluded;
  used_ = used_ || !excluded;
  return !excluded;
}

std::vector<const NamePattern*> RuleMatcher::unused_patterns() const {
  std::vector<const NamePattern*> unused = match_.unused_patterns();
  for (const Matcher& m : exclude_)
    for (const NamePattern* p : m.unused_patterns()) unused.push_back(p);
  return unused;
}

bool names_module(PatternMatcher& pattern, const std::string& layer) {
  if (pattern.matches(layer)) return true;
  const std::size_t last_dot = layer.rfind('.');
  if (last_dot != std::string::npos &&
      pattern.matches(std::string_view(layer).substr(last_dot + 1)))
    return true;
  for (std::size_t dot = layer.find('.'); dot != std::string::npos; dot = layer.find('.', dot + 1))
    if (pattern.matches(std::string_view(layer).substr(0, dot))) return true;
  return false;
}

}  // namespace detent
