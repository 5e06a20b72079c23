// SPDX-License-Identifier: Apache-2.0
// What goes to the screen: facts to stdout, everything else to stderr.
#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "json/value.hpp"
#include "plan/plan.hpp"

namespace detent::cli {

void print_text(const std::string& text);   // stdout
void print_json(const json::Value& value);  // stdout, one document
void print_error(const Error& error, bool json);
void print_warnings(const std::vector<Warning>& warnings, const Globals& globals);

// Colour and bars: stderr is a terminal, and none of NO_COLOR, NO_TTY and CI is set.
bool stderr_is_rich();

}  // namespace detent::cli
