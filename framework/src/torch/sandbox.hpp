// SPDX-License-Identifier: Apache-2.0
// The sandbox of the process that runs a model: TorchScript is code, and loading it runs some of
// it.
#pragma once
#include <cstdint>
#include <string>

namespace detent::sandbox {

// What may be used from now on is memory up to a limit, threads, time, and descriptors that are
// open already. No file can be opened, no socket or process made, no other process signalled.
//
// Irrevocable. Landlock holds for the calling thread and those that it starts, seccomp for all that
// run already too; opening a file takes a call that seccomp refuses.
//
// Returns  "landlock+seccomp", or an empty text and why_not set: nothing is in force then but the
// limits
std::string enter(std::string* why_not);

// The first thing since the last question that was tried and refused, and that only a program which
// means harm tries: opening a file, a socket, another process, a signal to one ("to get at the file
// \"/etc/passwd\""). Empty when nothing was. LibTorch does not tell a program that a file could not
// be written.
std::string take_violation();
bool has_violation();

// Data segment and heap together, open descriptors, no core file. Also without a sandbox.
void limit_memory(std::uint64_t bytes);

}  // namespace detent::sandbox
