// SPDX-License-Identifier: Apache-2.0
// apply_overrides: --set /json/pointer=value on a document.
#pragma once
#include <string>
#include <vector>

#include "config/config.hpp"
#include "json/value.hpp"

namespace detent {

// Objects along a pointer are made where there are none; a list takes an index that it has, or its
// size, or "-", to append. A value that is no JSON is a string.
//
// What cannot be applied leaves the document alone and becomes a problem.
std::vector<AppliedOverride> apply_overrides(json::Value& document,
                                             const std::vector<ConfigOverride>& overrides,
                                             std::vector<Problem>& problems);

}  // namespace detent
