// SPDX-License-Identifier: Apache-2.0
// spawn_to_die_with_us: a helper that the kernel ends when this process ends.
#pragma once
#include <string>
#include <sys/types.h>
#include <vector>

namespace detent::isolate {

// As spawn_helper. A helper that asks to be killed with its parent is killed with the thread that
// started it, so all are started by one thread that lives as long as the process.
int spawn_to_die_with_us(std::vector<std::string> arguments, std::vector<std::string> variables,
                         const std::vector<int>& given, pid_t* pid);

}  // namespace detent::isolate
