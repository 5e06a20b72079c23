// SPDX-License-Identifier: Apache-2.0
// Helper programs of the installation, started with nothing of this process but what they are
// given.
#pragma once
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace detent {

inline constexpr int kFirstGivenFd = 3;  // in the helper

// libexec/detent/NAME of this installation, or what the environment variable names in its place;
// empty when there is none.
std::filesystem::path helper_program(const char* name, const char* variable);

// A descriptor with the same meaning whose number is none that a helper gets; closes the other.
int moved_up(int fd);

// Starts arguments[0]. The descriptors that are given, of moved_up, become kFirstGivenFd and the
// ones behind it; no other is inherited, and nothing that it prints is seen. It leads a process
// group of its own, so that a terminal's signals do not reach it.
//
// Returns  0, or what errno would say
int spawn_helper(std::vector<std::string> arguments, std::vector<std::string> variables,
                 const std::vector<int>& given, pid_t* pid);

}  // namespace detent
