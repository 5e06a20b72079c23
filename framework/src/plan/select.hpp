// SPDX-License-Identifier: Apache-2.0
// Selecting tensors by name, type, size and dtype.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/pattern.hpp"
#include "plan/layers.hpp"

namespace detent {

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
  bool matches(const Layer& layer, const TensorInfo& tensor);
  std::vector<const NamePattern*> unused_patterns() const;

 private:
  Match match_;
  std::vector<PatternMatcher> names_;
  std::vector<PatternMatcher> types_;
};

class RuleMatcher {
 public:
  explicit RuleMatcher(const Rule& rule);
  bool matches(const Layer& layer, const TensorInfo& tensor);
  bool used() const { return used_; }
  const Rule& rule() const { return *rule_; }
  std::vector<const NamePattern*> unused_patterns() const;

 private:
  const Rule* rule_;
  Matcher match_;
  std::vector<Matcher> exclude_;
  bool used_ = false;
};

// As `modules_to_not_convert` of Hugging Face configurations: a layer of that name, any layer below
// it, or one whose last path component it is; globs and "re:" as everywhere.
bool names_module(PatternMatcher& pattern, const std::string& layer);

}  // namespace detent
