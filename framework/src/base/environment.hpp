// SPDX-License-Identifier: Apache-2.0
// What the environment says, where it may be believed.
#pragma once
#include <filesystem>
#include <string_view>

namespace detent {

// "" when it is not set, and in a process with raised privileges: its environment is another
// user's.
std::string_view trusted_environment(const char* name);

// A base folder of the XDG specification: the variable when it is an absolute path (others are to
// be ignored), else the folder `below_home` of $HOME; "" when neither is known.
std::filesystem::path user_folder(const char* variable, const char* below_home);

}  // namespace detent
