// SPDX-License-Identifier: Apache-2.0
// A CheckReport and the table of cases as text, JSON and JUnit's XML.
#pragma once
#include <string>

#include "conformance/check.hpp"
#include "json/value.hpp"

namespace detent::conformance {

// One line for a case that passed or was skipped, up to four for one that failed.
std::string to_text(const SubjectResults& subject, const CaseResult& result);
// "61 passed, 2 failed, 8 skipped"
std::string closing_line(const CheckReport& report);
json::Value to_json(const CheckReport& report);
std::string to_junit(const CheckReport& report);

// What each case is about: --list.
std::string list_cases();
json::Value list_cases_json();

}  // namespace detent::conformance
