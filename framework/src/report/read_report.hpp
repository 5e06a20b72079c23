// SPDX-License-Identifier: Apache-2.0
// Reading a report that may lack anything, and its numbers as text.
#pragma once
#include <optional>
#include <string>

#include "json/value.hpp"

namespace detent {

std::string text_at(const json::Value& v, const char* pointer);  // "" when there is none
std::optional<double> number_at(const json::Value& v, const char* pointer);  // "inf" is one
const json::Array& list_at(const json::Value& v, const char* pointer);       // empty when absent
std::string bytes_at(const json::Value& v, const char* pointer);
std::string db_text(const std::optional<double>& db);  // "31.50", "exact"

}  // namespace detent
