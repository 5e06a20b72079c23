// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <map>
#include <unistd.h>

#include "base/text.hpp"
#include "report/report.hpp"

namespace detent::cli {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::string coloured(const char* code, const std::string& word) {
  return stderr_is_rich() ? fmt::format("\033[{}m{}\033[0m", code, word) : word;
}

// Line by line, so that names out of a hostile file cannot move the cursor.
std::string printable_lines(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += printable(std::string_view(text).substr(at, end - at)) + '\n';
    at = end + 1;
  }
  return out;
}

void print_warning(const std::string& message) {
  const std::string text = coloured("1;33", "warning:") + " " + printable_lines(message);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

json::Value problem_to_json(const Error& error, const Problem& problem) {
  return json::Object{{"code", error.exit_code()},
                      {"kind", to_string(error.code())},
                      {"message", problem.message},
                      {"hint", problem.hint},
                      {"where", to_json(problem.where)}};
}

}  // namespace

void print_text(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void print_json(const json::Value& value) { print_text(json::dump(value, 2) + "\n"); }

bool stderr_is_rich() {
  static const bool rich =
      ::isatty(STDERR_FILENO) == 1 && !is_set("NO_COLOR") && !is_set("NO_TTY") && !is_set("CI");
  return rich;
}

void print_error(const Error& error, bool json) {
  for (const Problem& p : error.problems()) {
    const std::string text = coloured("1;31", "error:") + " " + printable_lines(format_problem(p));
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  if (!json) return;
  json::Array all;
  for (const Problem& p : error.problems()) all.push_back(problem_to_json(error, p));
  json::Value first = all.front();
  print_json(json::Object{{"error", std::move(first)}, {"errors", std::move(all)}});
}

void print_warnings(const std::vector<Warning>& warnings, const Globals& globals) {
  if (globals.quiet) return;
  // A model of thousands of layers can have one warning for each; a few show what it is about.
  constexpr std::size_t kMostOfOneCode = 4;
  std::map<std::string, std::size_t> count;
  for (const Warning& w : warnings) {
    if (++count[w.code] > kMostOfOneCode && !globals.verbose) continue;
    print_warning(fmt::format("{} [{}]", format_problem({w.message, "", w.where}), w.code));
  }
  for (const auto& [code, n] : count)
    if (n > kMostOfOneCode && !globals.verbose)
      print_warning(fmt::format("{} more like this, in the report and with --verbose [{}]",
                                n - kMostOfOneCode, code));
}

}  // namespace detent::cli
