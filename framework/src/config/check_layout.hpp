// SPDX-License-Identifier: Apache-2.0
// check_layout: unknown and missing keys, wrong types, values out of range or not among the
// choices.
#pragma once
#include <string>

#include "config/layout.hpp"
#include "config/problems.hpp"
#include "json/value.hpp"

namespace detent {

// Adds every mistake of the value to `problems`. `pointer` is where the value is.
void check_layout(const json::Value& value, const Layout& layout, const std::string& pointer,
                  Problems& problems);

}  // namespace detent
