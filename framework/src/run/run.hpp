// SPDX-License-Identifier: Apache-2.0
// The main job: config -> plan -> calibrate -> quantize -> serialize -> evaluate -> validate ->
// report.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "calibrate/calibrate.hpp"
#include "config/config.hpp"
#include "evaluate/evaluate.hpp"
#include "plan/plan.hpp"
#include "plugin/registry.hpp"
#include "quantize/quantize_tensor.hpp"
#include "serialize/staging.hpp"
#include "validate/validate.hpp"

namespace detent {

struct StageTiming {
  std::string stage;
  double seconds = 0;
  std::uint64_t bytes = 0;  // read or written; 0: does not apply
};

struct OutputFacts {
  std::filesystem::path path;
  std::string serializer;
  std::uint64_t bytes = 0;
  std::string digest;
};

struct FileDigest {
  std::filesystem::path path;
  std::string digest;
};

// Everything a run knows of itself; report.hpp makes JSON of it.
struct RunFacts {
  const Config* config = nullptr;
  const Model* model = nullptr;
  Plan plan;
  Calibration calibration;
  std::map<std::size_t, TensorResult> results;  // by index into Model::tensors(); quantized ones
  std::vector<Warning> warnings;                // of the plan and of the run
  std::vector<Warning> notes;                   // natural, and worth knowing; never an error
  Evaluation evaluation;
  Validation validation;
  std::vector<OutputFacts> outputs;
  std::vector<StageTiming> timings;
  std::vector<FileDigest> inputs;
  std::uint64_t peak_memory_bytes = 0;
  unsigned threads = 1;
};

// How far a stage is. Every tensor is told of when its turn comes, every batch when it is done.
struct RunProgress {
  std::string stage;    // "calibrate", "quantize", "evaluate"
  std::string item;     // the tensor whose turn it is; empty for batches and at the end
  std::uint64_t done;   // in bytes of tensors, or samples where batches are run
  std::uint64_t total;  // likewise
};

struct RunOptions {
  Overwrite overwrite = Overwrite::refuse;
  bool strict = false;         // warnings are errors
  Program* program = nullptr;  // of the model, when it runs
  // Of an artefact, in the same way; nullptr when it is none. None: artefacts are not run.
  std::function<std::unique_ptr<Program>(const Model&)> open_program = {};
  // Folders (or files) of observers' states, which are used instead of calibration data.
  std::vector<std::filesystem::path> states = {};
  std::function<void(const RunProgress&)> progress = {};
};

// A run that fails leaves its targets, and everything beside them, as they were.
//
// Errors  as the stages'; Error{validation} when a validator says FAIL and on_failure is "error";
//         with strict: Error{config} for a warning of the plan, Error{quantization} for one of the
//         run
RunFacts run_pipeline(const Config& config, const Model& model, const RunOptions& options);

// Refuses, with strict, the warnings that there are.
void refuse_warnings(const std::vector<Warning>& warnings, ErrorCode code);

}  // namespace detent
