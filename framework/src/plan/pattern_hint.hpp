// SPDX-License-Identifier: Apache-2.0
// What somebody may have meant by a pattern that matches nothing.
#pragma once
#include <string>
#include <vector>

namespace detent {

// A sentence for a person, or empty when nothing is near. names: of the layers and tensors that
// there are.
std::string hint_for_name(const std::string& pattern, const std::vector<std::string>& names);
// types: all that there are.
std::string hint_for_type(const std::string& pattern, const std::vector<std::string>& types);

}  // namespace detent
