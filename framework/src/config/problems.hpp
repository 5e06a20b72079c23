// SPDX-License-Identifier: Apache-2.0
// Problems: the mistakes of a configuration, collected with their places.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "config/config.hpp"
#include "json/value.hpp"

namespace detent {

// Where the values of a document come from: the file, or one of the --set that were applied to it.
struct Source {
  std::string file;  // "" when there is none
  std::vector<AppliedOverride> overrides;

  // The latest --set that gave the value at this pointer; nullptr when it came from the file.
  const AppliedOverride* override_of(std::string_view pointer) const;
  Where locate(const std::string& pointer, json::Position position) const;
};

class Problems {
 public:
  explicit Problems(Source source) : source_(std::move(source)) {}

  void add(const std::string& pointer, json::Position position, std::string message,
           std::string hint = {});
  void add(Problem problem);
  bool empty() const { return problems_.empty(); }
  bool any_inside(std::string_view pointer) const;  // at this pointer or deeper

  // Error{code} with all of them in the order of the text; the first hundred when there are more.
  void throw_if_any(ErrorCode code = ErrorCode::config);

 private:
  Source source_;
  std::vector<Problem> problems_;
  std::size_t left_out_ = 0;
};

}  // namespace detent
