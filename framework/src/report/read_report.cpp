// SPDX-License-Identifier: Apache-2.0
#include "report/read_report.hpp"

#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "base/text.hpp"

namespace detent {

std::string text_at(const json::Value& v, const char* pointer) {
  const json::Value* found = v.at_pointer(pointer);
  return found != nullptr && found->if_string() != nullptr ? *found->if_string() : "";
}

std::optional<double> number_at(const json::Value& v, const char* pointer) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const json::Value* found = v.at_pointer(pointer);
  if (found == nullptr) return std::nullopt;
  double n = 0;
  if (found->to_double(&n)) return n;
  const std::string* text = found->if_string();
  if (text != nullptr && *text == "inf") return kInfinity;
  if (text != nullptr && *text == "-inf") return -kInfinity;
  return std::nullopt;
}

const json::Array& list_at(const json::Value& v, const char* pointer) {
  static const json::Array kNone;
  const json::Value* found = v.at_pointer(pointer);
  return found != nullptr && found->if_array() != nullptr ? *found->if_array() : kNone;
}

std::string bytes_at(const json::Value& v, const char* pointer) {
  const auto n = number_at(v, pointer);
  return n && *n >= 0 && *n < 1e18 ? human_bytes(static_cast<std::uint64_t>(*n)) : "";
}

std::string db_text(const std::optional<double>& db) {
  if (!db) return "";
  if (std::isinf(*db)) return *db > 0 ? "exact" : "-inf";
  return fmt::format("{:.2f}", *db);
}

}  // namespace detent
