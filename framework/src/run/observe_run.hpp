// SPDX-License-Identifier: Apache-2.0
// `detent observe`: calibration alone. The observers' states go into a file, for a run elsewhere.
#pragma once
#include <filesystem>

#include "calibrate/observe.hpp"
#include "run/run.hpp"

namespace detent {

struct ObserveOptions {
  std::filesystem::path folder;  // of the state
  Shard shard;
  Overwrite overwrite = Overwrite::refuse;
  bool strict = false;
  Program* program = nullptr;
  Progress progress;
};

struct ObserveFacts {
  Plan plan;
  std::vector<Warning> warnings;  // of the plan
  std::filesystem::path file;     // that was written
  std::uint64_t bytes = 0;
  std::uint64_t samples = 0;
  std::uint64_t batches = 0;
};

// Errors  as those of planning and calibrating; Error{config}: nothing to observe, a part of data
//         for an observer whose states cannot be put together
ObserveFacts observe_pipeline(const Config& config, const Model& model,
                              const ObserveOptions& options);

}  // namespace detent
