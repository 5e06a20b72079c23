// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <fmt/format.h>

namespace detent {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::unexpected: return "unexpected";
    case ErrorCode::config: return "config";
    case ErrorCode::quantization: return "quantization";
    case ErrorCode::validation: return "validation";
    case ErrorCode::io: return "io";
    case ErrorCode::plugin: return "plugin";
    case ErrorCode::interrupted: return "interrupted";
    case ErrorCode::terminated: return "terminated";
  }
  return "unexpected";
}

std::string format_problem(const Problem& problem) {
  const Where& w = problem.where;
  std::string place;
  const bool named = problem.message.find(w.file) != std::string::npos;
  if (!w.file.empty() && (w.line > 0 || !named)) place = w.file;
  if (w.line > 0) place += fmt::format(":{}:{}", w.line, w.column);
  if (!w.pointer.empty()) place += fmt::format("{}{}", place.empty() ? "" : ": ", w.pointer);
  std::string text = place.empty() ? problem.message : place + ": " + problem.message;
  if (!problem.hint.empty()) text += "\nhint: " + problem.hint;
  return text;
}

Error::Error(ErrorCode code, std::vector<Problem> problems)
    : code_(code), problems_(std::move(problems)) {
  for (const Problem& p : problems_) {
    if (!text_.empty()) text_ += '\n';
    text_ += format_problem(p);
  }
}

}  // namespace detent
