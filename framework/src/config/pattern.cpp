// SPDX-License-Identifier: Apache-2.0
#include "config/pattern.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <regex>
#include <stdexcept>
#include <utility>

#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::string_view kPrefix = "re:";
constexpr std::size_t kLongestExpression = 1000;
constexpr std::size_t kLongestName = 500;
constexpr std::uint64_t kMostCopies = 10000;  // far from the end of a stack of 8 MiB

constexpr std::regex::flag_type kFlags = std::regex::ECMAScript | std::regex::optimize
#ifdef __GLIBCXX__
                                         | std::regex_constants::__polynomial
#endif
    ;

// The largest count of the repetition that begins at expression[at] == '{'; at least 1.
std::uint64_t count_at(std::string_view expression, std::size_t at) {
  const char* end = expression.data() + expression.size();
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  const auto first = std::from_chars(expression.data() + at + 1, end, low);
  if (first.ec == std::errc::result_out_of_range) return kMostCopies;
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == ',' &&
      std::from_chars(first.ptr + 1, end, high).ec == std::errc::result_out_of_range)
    return kMostCopies;
  return std::max<std::uint64_t>({low, high, 1});
}

// The library copies what a counted repetition repeats, and matches by recursion over the copies:
// (a{1000}){1000} would be a million of them. This is more than there can be: every count is taken
// to repeat the whole expression as often as all the others do.
std::uint64_t most_copies(std::string_view expression) {
  std::uint64_t copies = expression.size();
  for (std::size_t at = expression.find('{'); at != std::string_view::npos && copies <= kMostCopies;
       at = expression.find('{', at + 1))
    copies *= std::min(count_at(expression, at), kMostCopies);
  return copies;
}

const char* reason(std::regex_constants::error_type code) {
  using namespace std::regex_constants;
  if (code == error_paren)
    return "the parentheses do not match, or *, + or ? has nothing to repeat";
  if (code == error_brack) return "the brackets do not match";
  if (code == error_brace || code == error_badbrace) return "the braces { } are wrong";
  if (code == error_badrepeat) return "*, +, ? or { has nothing to repeat";
  if (code == error_range) return "a range in brackets is the wrong way round";
  if (code == error_escape) return "an escape with \\ is not known";
  if (code == error_backref || code == error_complexity) return "back-references are not supported";
  if (code == error_ctype || code == error_collate) return "the name of a class is not known";
  return "it is too complex";
}

}  // namespace

struct Pattern::Expression {
  std::regex regex;
};

Pattern::Pattern(std::string text) : text_(std::move(text)) {
  if (!std::string_view(text_).starts_with(kPrefix)) return;
  const std::string expression = text_.substr(kPrefix.size());
  if (expression.size() > kLongestExpression)
    throw std::invalid_argument(
        fmt::format("a regular expression has at most {} characters", kLongestExpression));
  if (most_copies(expression) > kMostCopies)
    throw std::invalid_argument("its counted repetitions are too large; use * or + instead");
  try {
    expression_ = std::make_shared<Expression>(Expression{std::regex(expression, kFlags)});
  } catch (const std::regex_error& e) {
    throw std::invalid_argument(reason(e.code()));
  }
}

bool Pattern::matches(std::string_view name) const {
  if (expression_ == nullptr) return glob_match(text_, name);
  return name.size() <= kLongestName &&
         std::regex_match(name.begin(), name.end(), expression_->regex);
}

}  // namespace detent
