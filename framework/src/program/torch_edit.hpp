// SPDX-License-Identifier: Apache-2.0
// The edit of a program that runs in a worker process.
#pragma once
#include <cstdint>
#include <memory>

#include "plugin/program_edit.hpp"
#include "program/worker_process.hpp"

namespace detent {

// process outlives the edit; id is its own among those of the process.
std::unique_ptr<ProgramEdit> open_edit(WorkerProcess& process, std::int64_t id);

}  // namespace detent
