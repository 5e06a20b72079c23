// SPDX-License-Identifier: Apache-2.0
// What a library says of its plugins, as bytes and back: what a cache keeps of it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "plugin/plugin.hpp"

namespace detent {

// Equal for libraries that say the same. Not in it: path, hash, origin, and where the code is.
std::string description_bytes(const std::vector<Plugin>& plugins);

// The plugins again, after the same checks as those of a library; without what is not in the bytes.
//
// Errors  any exception when they are not such bytes
std::vector<Plugin> plugins_of(std::string_view description);

}  // namespace detent
