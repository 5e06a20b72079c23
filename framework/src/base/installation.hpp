// SPDX-License-Identifier: Apache-2.0
// Where this installation is, found at run time: it can be moved.
#pragma once
#include <filesystem>
#include <vector>

namespace detent {

// The prefixes that may hold what belongs to us, the likeliest first: that of the shared library
// this code lies in, where it lies in one, and that of the program. None may be known.
std::vector<std::filesystem::path> installation_prefixes();

}  // namespace detent
