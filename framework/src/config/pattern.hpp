// SPDX-License-Identifier: Apache-2.0
// Pattern: a glob or a regular expression on names of tensors and layers, ready to match.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace detent {

// "re:" and an ECMAScript regular expression for the whole name; everything else is a glob.
//
// Both sides may be hostile. An expression has at most 1000 characters and repetitions that
// multiply to at most 1000; it is matched in polynomial time where the standard library can
// (libstdc++), which has no back-references then. A name of more than 500 characters matches no
// expression.
class Pattern {
 public:
  // Errors  std::invalid_argument saying what is wrong with the expression
  explicit Pattern(std::string text);

  bool matches(std::string_view name) const;
  const std::string& text() const { return text_; }

 private:
  struct Expression;
  std::string text_;
  std::shared_ptr<const Expression> expression_;  // none: a glob
};

}  // namespace detent
