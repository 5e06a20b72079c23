// SPDX-License-Identifier: Apache-2.0
// Selecting tensors by name, type, size and dtype: which rule is a tensor's, and which rules and
// patterns are no tensor's.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/pattern.hpp"
#include "plan/layers.hpp"

namespace detent {

// What a rule looks at: a tensor, its layer and all their names. A shared weight has several.
struct Candidate {
  Candidate(const Layer& layer, const TensorInfo& tensor,
            const std::vector<std::string_view>& aliases = {});
  const Layer& layer;
  const TensorInfo& tensor;
  std::vector<std::string_view> layer_names;
  std::vector<std::string_view> tensor_names;
};

// A pattern that remembers whether it ever matched, so that one which never does can be reported.
class PatternMatcher {
 public:
  explicit PatternMatcher(const NamePattern& pattern);
  bool matches(std::string_view name);
  bool used() const { return used_; }
  const NamePattern& pattern() const { return pattern_; }

 private:
  NamePattern pattern_;
  Pattern compiled_;
  bool used_ = false;
};

class Matcher {
 public:
  explicit Matcher(const Match& match);
  // A name pattern holds for the layer's name (all its tensors) or for the tensor's own.
  bool matches(const Candidate& candidate);
  const std::vector<PatternMatcher>& names() const { return names_; }
  const std::vector<PatternMatcher>& types() const { return types_; }

 private:
  bool is_of_size(const Candidate& candidate) const;

  Match match_;
  std::vector<PatternMatcher> names_;
  std::vector<PatternMatcher> types_;
};

enum class Fit { no, excluded, yes };

class RuleMatcher {
 public:
  explicit RuleMatcher(const Rule& rule);
  Fit fit(const Candidate& candidate);
  const Rule& rule() const { return *rule_; }
  // The rule's own and those of its exceptions.
  std::vector<const Matcher*> matchers() const;

 private:
  const Rule* rule_;
  Matcher match_;
  std::vector<Matcher> exclude_;
};

// As `modules_to_not_convert` of Hugging Face configurations: the pattern is the layer's name, that
// of a module around it, or whole components of either: "attn" and "0.attn" are in
// "layers.0.attn.q", "tn" is not.
bool names_module(PatternMatcher& pattern, std::string_view layer);

// The rules of a Config, bound to the tensors of a model one by one.
class Selector {
 public:
  explicit Selector(const Config& config);

  struct Choice {
    const Rule* rule = nullptr;  // none: the tensor is kept
    int index = -1;              // of the rule
    std::string reason;          // why it is kept, or which rule selected it
  };
  Choice choose(const Candidate& candidate);

  // Rules and patterns that no candidate needed. where: a place in the pipeline file.
  using WhereOf = std::function<Where(const std::string& pointer, json::Position position)>;
  std::vector<Warning> unused(const WhereOf& where) const;

 private:
  struct Use {
    bool matched = false;  // some tensor, were there no other rule
    bool first = false;    // and as the first
  };
  bool all_patterns_used(const RuleMatcher& rule) const;
  std::string why_unused(std::size_t rule) const;
  void remember(const Candidate& candidate);

  std::vector<RuleMatcher> rules_;
  std::vector<Use> uses_;  // of each rule
  std::vector<PatternMatcher> not_converted_;
  std::set<std::string> names_;  // that a pattern may have meant; bounded
  std::set<std::string> types_;
};

}  // namespace detent
