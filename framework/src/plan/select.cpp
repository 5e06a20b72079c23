// SPDX-License-Identifier: Apache-2.0
#include "plan/select.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "plan/pattern_hint.hpp"

namespace detent {
namespace {

// Names kept for hints: enough for any model that people write patterns for.
constexpr std::size_t kMostNames = 20000;

std::vector<PatternMatcher> compile(const std::vector<NamePattern>& patterns) {
  return {patterns.begin(), patterns.end()};
}

// Every pattern is tried on every name, even after a hit: each must learn whether it is of use.
bool any_of(std::vector<PatternMatcher>& patterns, const std::vector<std::string_view>& names) {
  bool hit = false;
  for (PatternMatcher& p : patterns)
    for (const std::string_view name : names) hit = p.matches(name) || hit;
  return hit;
}

std::string_view layer_of(std::string_view tensor) {
  const std::size_t dot = tensor.rfind('.');
  return dot == tensor.npos ? std::string_view() : tensor.substr(0, dot);
}

std::vector<std::string> list_of(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

Candidate::Candidate(const Layer& of, const TensorInfo& what,
                     const std::vector<std::string_view>& aliases)
    : layer(of), tensor(what), layer_names{of.name}, tensor_names{what.name} {
  for (const std::string_view alias : aliases) {
    tensor_names.push_back(alias);
    layer_names.push_back(layer_of(alias));
  }
}

PatternMatcher::PatternMatcher(const NamePattern& pattern)
    : pattern_(pattern), compiled_(pattern.text) {}

bool PatternMatcher::matches(std::string_view name) {
  const bool hit = compiled_.matches(name);
  used_ = used_ || hit;
  return hit;
}

Matcher::Matcher(const Match& match)
    : match_(match), names_(compile(match.names)), types_(compile(match.types)) {}

bool Matcher::matches(const Candidate& c) {
  const bool by_layer = any_of(names_, c.layer_names);
  const bool by_tensor = any_of(names_, c.tensor_names);
  const bool of_type = any_of(types_, {c.layer.type});
  if (!names_.empty() && !by_layer && !by_tensor) return false;
  if (!types_.empty() && !of_type) return false;
  const auto& dtypes = match_.dtypes;
  const bool of_dtype =
      dtypes.empty() || std::find(dtypes.begin(), dtypes.end(), c.tensor.dtype) != dtypes.end();
  return of_dtype && is_of_size(c);
}

bool Matcher::is_of_size(const Candidate& c) const {
  const auto params = static_cast<std::int64_t>(c.layer.params);
  return (!match_.min_params || params >= *match_.min_params) &&
         (!match_.max_params || params <= *match_.max_params);
}

RuleMatcher::RuleMatcher(const Rule& rule)
    : rule_(&rule), match_(rule.match), exclude_(rule.exclude.begin(), rule.exclude.end()) {}

Fit RuleMatcher::fit(const Candidate& candidate) {
  const bool hit = match_.matches(candidate);
  bool excluded = false;
  for (Matcher& m : exclude_) excluded = m.matches(candidate) || excluded;
  return !hit ? Fit::no : excluded ? Fit::excluded : Fit::yes;
}

std::vector<const Matcher*> RuleMatcher::matchers() const {
  std::vector<const Matcher*> all{&match_};
  for (const Matcher& m : exclude_) all.push_back(&m);
  return all;
}

bool names_module(PatternMatcher& pattern, std::string_view layer) {
  if (pattern.matches(layer)) return true;
  for (std::size_t begin = 0; begin < layer.size();) {
    std::size_t end = layer.find('.', begin);
    const std::size_t next = end == layer.npos ? layer.size() : end + 1;
    for (; end != layer.npos; end = layer.find('.', end + 1))
      if (pattern.matches(layer.substr(begin, end - begin))) return true;
    if (begin > 0 && pattern.matches(layer.substr(begin))) return true;
    begin = next;
  }
  return false;
}

Selector::Selector(const Config& config)
    : rules_(config.rules.begin(), config.rules.end()),
      uses_(config.rules.size()),
      not_converted_(compile(config.modules_to_not_convert)) {}

Selector::Choice Selector::choose(const Candidate& candidate) {
  remember(candidate);
  Choice choice{nullptr, -1, "no rule matches"};
  bool kept = false;
  for (PatternMatcher& p : not_converted_)
    for (const std::string_view layer : candidate.layer_names) {
      if (!names_module(p, layer)) continue;
      kept = true;
      choice.reason = fmt::format("modules_to_not_convert names \"{}\"", p.pattern().text);
    }
  // Every rule is tried, so that it is known of each whether it matches anything.
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Fit fit = rules_[i].fit(candidate);
    const Rule& rule = rules_[i].rule();
    if (fit == Fit::yes) uses_[i].matched = true;
    if (kept || choice.rule != nullptr) continue;
    if (fit == Fit::excluded)
      choice.reason = fmt::format("{} excludes it, and no other rule matches", rule.pointer);
    if (fit != Fit::yes) continue;
    uses_[i].first = true;
    choice = {&rule, static_cast<int>(i),
              rule.keep ? fmt::format("{} keeps it", rule.pointer) : rule.pointer};
  }
  return choice;
}

void Selector::remember(const Candidate& candidate) {
  if (!candidate.layer.type.empty() && types_.size() < kMostNames)
    types_.insert(candidate.layer.type);
  for (const auto* names : {&candidate.layer_names, &candidate.tensor_names})
    for (const std::string_view name : *names)
      if (!name.empty() && names_.size() < kMostNames) names_.emplace(name);
}

std::vector<Warning> Selector::unused(const WhereOf& where) const {
  std::vector<Warning> warnings;
  const auto warn_of = [&](const std::vector<PatternMatcher>& patterns, const auto& hint_for) {
    for (const PatternMatcher& p : patterns) {
      if (p.used()) continue;
      const NamePattern& pattern = p.pattern();
      const std::string hint = hint_for(pattern.text);
      warnings.push_back({"pattern_matches_nothing",
                          fmt::format("\"{}\" matches nothing in this model{}{}", pattern.text,
                                      hint.empty() ? "" : "; ", hint),
                          where(pattern.pointer, pattern.position)});
    }
  };
  const auto name_hint = [this](const std::string& p) { return hint_for_name(p, list_of(names_)); };
  const auto type_hint = [this](const std::string& p) { return hint_for_type(p, list_of(types_)); };
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    for (const Matcher* m : rules_[i].matchers()) {
      warn_of(m->names(), name_hint);
      warn_of(m->types(), type_hint);
    }
    if (uses_[i].first || !all_patterns_used(rules_[i])) continue;
    const Rule& rule = rules_[i].rule();
    warnings.push_back({uses_[i].matched ? "rule_hidden" : "rule_matches_nothing", why_unused(i),
                        where(rule.pointer, rule.position)});
  }
  warn_of(not_converted_, name_hint);
  return warnings;
}

// Else the pattern's warning is enough.
bool Selector::all_patterns_used(const RuleMatcher& rule) const {
  const auto used = [](const PatternMatcher& p) { return p.used(); };
  const auto all = rule.matchers();
  return std::all_of(all.begin(), all.end(), [&](const Matcher* m) {
    return std::all_of(m->names().begin(), m->names().end(), used) &&
           std::all_of(m->types().begin(), m->types().end(), used);
  });
}

std::string Selector::why_unused(std::size_t rule) const {
  if (uses_[rule].matched)
    return "this rule is never used: earlier rules, or modules_to_not_convert, have all that it "
           "matches, and the first that matches counts; put it before them";
  return "this rule matches nothing in this model: no tensor meets all its conditions";
}

}  // namespace detent
