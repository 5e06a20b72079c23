// SPDX-License-Identifier: Apache-2.0
// Evaluate: what quantization does to the model's own output. The original program runs beside each
// artefact that is a program, or beside the simulation, on the same samples.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "evaluate/output_comparison.hpp"
#include "plan/plan.hpp"
#include "program/program.hpp"

namespace detent {

struct EvaluationBatch {
  std::span<const NamedTensor> inputs;    // samples stacked on dimension 0
  const detent_tensor* target = nullptr;  // compact; nullptr: there are none
  std::uint64_t samples = 0;
};

// Fills in the next batch; false at the end. What it lends lives until the next call.
using SampleSource = std::function<bool(EvaluationBatch&)>;

enum class Evaluated { nothing, simulated, artifact, failed };
const char* to_string(Evaluated how);

// Of one output of the run.
struct OutputEvaluation {
  Evaluated how = Evaluated::nothing;
  std::string why;            // nothing, failed: the reason
  bool exact = false;         // the artefact claims the simulation's arithmetic
  ComparisonResult result;    // against the original
  ComparisonResult intended;  // the artefact against the simulation, on the first samples only
};

struct Evaluation {
  std::string runtime;                          // "LibTorch 2.13.0"; empty when nothing runs
  std::string isolation;                        // "landlock+seccomp"
  std::vector<OutputEvaluation> outputs;        // one for each output of the run, in its order
  std::map<std::string, double> local_sqnr_db;  // by weight: of its operators' output alone
  std::vector<Warning> warnings;
};

struct EvaluationInput {
  Program* original = nullptr;  // with the simulation in place; nullptr: the model does not run
  std::string why_not;          // then the reason
  SampleSource samples;         // none: there are no calibration data
  std::vector<std::filesystem::path> artifacts;  // a file for each output of the run
  // Of an artefact; gives nullptr when it is no program. None: artefacts are not run.
  std::function<std::unique_ptr<Program>(const Model&)> open;
  std::function<void(std::uint64_t samples)> progress = {};
};

// Outputs of one batch at a time are held, nothing that grows with the number of samples.
//
// Errors  as the original program's; an artefact that does not run is Evaluated::failed
Evaluation evaluate(const EvaluationInput& input);

}  // namespace detent
