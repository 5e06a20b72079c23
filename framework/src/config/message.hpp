// SPDX-License-Identifier: Apache-2.0
// The words that all messages about a configuration share.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "json/value.hpp"

namespace detent {

// A value or a name as JSON, cut after some 60 characters: files are hostile, screens are narrow.
std::string abridged(const json::Value& value);
std::string quote_abridged(std::string_view text);

// What was found: `the string "x"`, `the number 1.5`, `an array`.
std::string describe(const json::Value& value);

// "a", "a or b", "a, b or c"
std::string join_or(const std::vector<std::string>& words);

// `did you mean "samples"?`, or empty when nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

// did_you_mean and, when the list is short, what is allowed: `did you mean "bins"? parameters:
// bins, method`.
std::string hint_for_unknown(std::string_view name, const std::vector<std::string>& allowed,
                             std::string_view what);

}  // namespace detent
