// SPDX-License-Identifier: Apache-2.0
#include "evaluate/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>

#include "artifact/artifact.hpp"
#include "base/cancel.hpp"
#include "quantize/measure.hpp"

namespace detent {
namespace {

// The artefact is held against the simulation on at least so many samples: enough to see a wrong
// operator, and the simulation need not run on all of them.
constexpr std::uint64_t kIntendedSamples = 16;

// What the serializer says of the program that it wrote: {"exact": true}.
constexpr const char* kExecutionKey = "execution";

std::string first_line(const Error& e) { return e.problems().front().message; }

bool claims_exact(const Artifact& artifact) {
  const json::Value execution = artifact.group(kExecutionKey);
  const json::Value* exact = execution.at_pointer("/exact");
  return exact != nullptr && exact->if_bool() != nullptr && *exact->if_bool();
}

// One output of the run, and the program in it if it is one.
class Candidate {
 public:
  explicit Candidate(OutputEvaluation& out) : out_(out) { out_.how = Evaluated::simulated; }

  void open(const std::filesystem::path& file, const EvaluationInput& input) {
    if (!read(file) || !input.open) return;
    try {
      program_ = input.open(artifact_->model());
      if (!program_) return;
      out_.how = Evaluated::artifact;
      out_.exact = claims_exact(*artifact_);
    } catch (const Error& e) {
      fail(e);
    }
  }

  bool runs() const { return out_.how == Evaluated::artifact; }
  bool wants_simulation() const {
    return out_.how == Evaluated::simulated || (runs() && intended_.samples() < kIntendedSamples);
  }

  void add(const EvaluationBatch& batch, const Outputs& expected, const Outputs* simulated) {
    if (out_.how == Evaluated::simulated && simulated != nullptr)
      result_.add(expected, *simulated, batch.samples, batch.target);
    if (!runs()) return;
    try {
      const Outputs found = program_->run(batch.inputs);
      result_.add(expected, found, batch.samples, batch.target);
      if (wants_simulation() && simulated != nullptr)
        intended_.add(*simulated, found, batch.samples, nullptr);
    } catch (const Error& e) {
      fail(e);
    }
  }

  void finish() {
    program_.reset();
    if (out_.how == Evaluated::failed) return;
    out_.result = result_.result();
    out_.intended = intended_.result();
  }

 private:
  // A file that cannot be read is the validation's business.
  bool read(const std::filesystem::path& file) {
    try {
      artifact_ = Artifact::open(file);
      return true;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::io) throw;
      return false;
    }
  }

  // A signal is the user's wish, everything else is the artefact's fault.
  void fail(const Error& e) {
    if (e.code() == ErrorCode::interrupted || e.code() == ErrorCode::terminated) throw e;
    out_.how = Evaluated::failed;
    out_.why = first_line(e);
    program_.reset();
  }

  OutputEvaluation& out_;
  std::optional<Artifact> artifact_;
  std::unique_ptr<Program> program_;
  OutputComparison result_;
  OutputComparison intended_;
};

class Evaluator {
 public:
  explicit Evaluator(const EvaluationInput& input) : input_(input) {
    out_.outputs.resize(input.artifacts.size());
    if (input.original == nullptr) return;
    out_.runtime = input.original->facts().runtime;
    out_.isolation = input.original->facts().isolation;
    candidates_.reserve(out_.outputs.size());
    for (std::size_t i = 0; i < out_.outputs.size(); ++i)
      candidates_.emplace_back(out_.outputs[i]).open(input.artifacts[i], input);
  }

  Evaluation run() {
    if (input_.original != nullptr && input_.samples) measure();
    for (std::size_t i = 0; i < out_.outputs.size(); ++i) conclude(out_.outputs[i]);
    return std::move(out_);
  }

 private:
  void measure() {
    std::uint64_t done = 0;
    for (EvaluationBatch batch; input_.samples(batch); batch = {}) {
      check_cancelled();
      if (input_.progress) input_.progress(done);
      measure_batch(batch);
      done += batch.samples;
    }
    for (Candidate& c : candidates_) c.finish();
    for (const auto& [weight, error] : local_) {
      const double db = QuantizationError{error.signal, error.noise, 0}.sqnr_db();
      if (!std::isnan(db)) out_.local_sqnr_db[weight] = db;  // NaN in the operator's own output
    }
  }

  void measure_batch(const EvaluationBatch& batch) {
    const Outputs expected = input_.original->run(batch.inputs);
    const std::optional<Outputs> simulated = simulate(batch);
    for (Candidate& c : candidates_) c.add(batch, expected, simulated ? &*simulated : nullptr);
  }

  // None when nobody wants it, and from the first batch on that it fails for: a program can have
  // parts that cannot be changed, and the run is sound all the same.
  std::optional<Outputs> simulate(const EvaluationBatch& batch) {
    if (!no_simulation_.empty()) return std::nullopt;
    std::optional<Outputs> outputs;
    try {
      for (const auto& [weight, error] : input_.original->measure_local(batch.inputs)) {
        local_[weight].signal += error.signal;
        local_[weight].noise += error.noise;
      }
      if (std::any_of(candidates_.begin(), candidates_.end(),
                      [](const Candidate& c) { return c.wants_simulation(); }))
        outputs = input_.original->run_simulated(batch.inputs);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::quantization) throw;
      no_simulation_ = "the quantized model cannot be simulated: " + first_line(e);
      warn("not_simulated", no_simulation_);
    }
    return outputs;
  }

  void conclude(OutputEvaluation& o) {
    if (o.how == Evaluated::failed) return warn("artifact_does_not_run", o.why);
    if (o.result.samples == 0) {
      o.how = Evaluated::nothing;
      o.why = input_.original == nullptr ? input_.why_not
              : !input_.samples          ? "there are no calibration data"
              : !no_simulation_.empty()  ? no_simulation_
                                         : "the calibration data hold no sample";
      return;
    }
    if (!o.result.mismatch.empty()) {
      o.how = Evaluated::failed;
      o.why = "it gives other outputs than the original: " + o.result.mismatch;
      return warn("artifact_does_not_run", o.why);
    }
    if (!o.result.no_accuracy.empty()) warn("no_accuracy", o.result.no_accuracy);
    warn_non_finite(o.result);
  }

  void warn_non_finite(const ComparisonResult& r) {
    if (r.non_finite_expected > 0)
      warn("original_output_non_finite",
           fmt::format("the original model's output has {} values that are not finite",
                       r.non_finite_expected));
    if (r.non_finite > 0)
      warn("output_non_finite",
           fmt::format("the quantized model's output has {} values that are not finite where the "
                       "original's are",
                       r.non_finite));
  }

  // Once each: what holds of the original is not said again for every output.
  void warn(const char* code, const std::string& message) {
    const auto same = [&](const Warning& w) { return w.code == code && w.message == message; };
    if (std::none_of(out_.warnings.begin(), out_.warnings.end(), same))
      out_.warnings.push_back({code, message});
  }

  const EvaluationInput& input_;
  Evaluation out_;
  std::vector<Candidate> candidates_;
  std::map<std::string, LocalError> local_;
  std::string no_simulation_;  // why it failed
};

}  // namespace

const char* to_string(Evaluated how) {
  switch (how) {
    case Evaluated::simulated: return "simulated";
    case Evaluated::artifact: return "artefact";
    case Evaluated::failed: return "failed";
    default: return "nothing";
  }
}

Evaluation evaluate(const EvaluationInput& input) { return Evaluator(input).run(); }

}  // namespace detent
