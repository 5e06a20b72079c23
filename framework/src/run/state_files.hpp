// SPDX-License-Identifier: Apache-2.0
// Files of observers' states: which there are, and reading them.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "calibrate/state.hpp"

namespace detent {

// "part-1-of-2.state"
std::string state_name(const Shard& shard);

// The states of each folder in the order of their names, and files as they are.
//
// Errors  Error{io}: a folder that does not exist or holds no states
std::vector<std::filesystem::path> state_files(const std::vector<std::filesystem::path>& given);

// In the order of the folders, then of the parts. Errors: Error{io}
std::vector<ObserverState> read_state_files(const std::vector<std::filesystem::path>& given);

}  // namespace detent
