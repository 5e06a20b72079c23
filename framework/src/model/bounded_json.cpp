// SPDX-License-Identifier: Apache-2.0
#include "model/bounded_json.hpp"

#include <fmt/format.h>
#include <vector>

#include "base/text.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

// Counts what json::parse would build. The text need not be JSON: where it is not, the counts mean
// nothing, but json::parse stops at the mistake and has built no more than was counted up to there.
class Counter {
 public:
  explicit Counter(const JsonLimits& limits) : limits_(limits) {}

  void count(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      switch (text[i]) {
        case '"': i = end_of_string(text, i); break;
        case '{':
        case '[': open(); break;
        case '}':
        case ']':
          if (!commas_.empty()) commas_.pop_back();
          break;
        case ',': comma(); break;
        case '-': check_minus(text.substr(i)); break;
        default: break;
      }
    }
  }

 private:
  static std::size_t end_of_string(std::string_view text, std::size_t begin) {
    for (std::size_t i = begin + 1;; ++i) {
      i = text.find_first_of("\"\\", i);
      if (i == std::string_view::npos) return text.size();
      if (text[i] == '"') return i;
      ++i;  // what the backslash escapes
    }
  }
  void check_minus(std::string_view number) const {
    const bool is_zero = number.starts_with("-0") &&
                         (number.size() == 2 || std::string_view(".eE").find(number[2]) == npos);
    if (is_zero && !limits_.minus_zero) throw json::ParseError("-0 is no whole number", {});
  }
  void open() {
    if (commas_.size() == limits_.depth)
      throw json::ParseError(fmt::format("more than {} levels of nesting", limits_.depth), {});
    commas_.push_back(0);
    add_value();
  }
  void comma() {
    add_value();
    if (!commas_.empty() && ++commas_.back() >= limits_.children)
      throw json::ParseError(
          fmt::format("a list or object with more than {} entries", grouped(limits_.children)), {});
  }
  void add_value() {
    if (++values_ > limits_.values)
      throw json::ParseError(fmt::format("more than {} values", grouped(limits_.values)), {});
  }

  static constexpr std::size_t npos = std::string_view::npos;

  const JsonLimits& limits_;
  std::vector<std::size_t> commas_;  // of each container that is open
  std::size_t values_ = 0;
};

}  // namespace

json::Value parse_bounded(std::string_view text, const JsonLimits& limits) {
  Counter(limits).count(text);
  return json::parse(text, {.max_depth = limits.depth});
}

}  // namespace detent
