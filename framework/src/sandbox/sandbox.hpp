// SPDX-License-Identifier: Apache-2.0
// The sandbox of a process that runs what somebody else wrote: a model (TorchScript is code, and
// loading it runs some of it), or a plugin.
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

// The first step for who has to load libraries before that: what enter allows, and reading files.
// Nothing can be written or made, no process, no socket. Returns the same.
std::string enter_to_load(std::string* why_not);

// The first thing since the last question that was tried and refused, and that only a program which
// means harm tries: opening a file, a socket, another process, a signal to one ("to get at the file
// \"/etc/passwd\""). Empty when nothing was. LibTorch does not tell a program that a file could not
// be written.
std::string take_violation();
bool has_violation();

// Data segment and heap together, no core file. Also without a sandbox. The host may move the limit
// of a process up to `most`, where that is more.
void limit_memory(std::uint64_t bytes, std::uint64_t most = 0);

}  // namespace detent::sandbox
