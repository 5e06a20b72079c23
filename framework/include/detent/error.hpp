// SPDX-License-Identifier: Apache-2.0
// Error: the one exception type of the framework; says what, where, why and what to do.
#pragma once
#include <detent/abi/base.h>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace detent {

// The values are the exit codes of the program.
enum class ErrorCode : int {
  unexpected = 1,
  config = 2,        // configuration or usage
  quantization = 3,  // no data, non-finite weights, a plugin's refusal
  validation = 4,
  io = 5,      // missing, corrupt, hostile or unwritable file
  plugin = 6,  // cannot load, ABI mismatch, crash, time-out
  interrupted = 130,
  terminated = 143,
};
DETENT_EXPORT const char* to_string(ErrorCode code);

// What is known of the place; empty or 0 otherwise.
struct Where {
  std::string file = {};
  int line = 0;              // 1-based
  int column = 0;            // 1-based, in characters
  std::string pointer = {};  // JSON Pointer into the configuration
  std::string tensor = {};
  std::string layer = {};
  std::string plugin = {};
};

// One mistake: at most three lines on the screen.
struct Problem {
  std::string message;    // what is wrong, and why; one or two lines
  std::string hint = {};  // what to do; may be empty
  Where where = {};
};

class DETENT_EXPORT Error : public std::exception {
 public:
  Error(ErrorCode code, Problem problem) : Error(code, std::vector{std::move(problem)}) {}
  Error(ErrorCode code, std::string message, std::string hint = {}, Where where = {})
      : Error(code, Problem{std::move(message), std::move(hint), std::move(where)}) {}
  Error(ErrorCode code, std::vector<Problem> problems);  // at least one

  ErrorCode code() const noexcept { return code_; }
  int exit_code() const noexcept { return static_cast<int>(code_); }
  const std::vector<Problem>& problems() const noexcept { return problems_; }
  const char* what() const noexcept override { return text_.c_str(); }  // format_problem of each

 private:
  ErrorCode code_;
  std::vector<Problem> problems_;
  std::string text_;
};

// "file:line:column: message" and, when there is one, "\nhint: ...". Without "error: ".
DETENT_EXPORT std::string format_problem(const Problem& problem);

// What went well enough to go on, and should be known.
struct Warning {
  std::string code;  // a stable lower-case word: "rule_matches_nothing"
  std::string message;
  Where where = {};
};

}  // namespace detent
