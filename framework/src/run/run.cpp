// SPDX-License-Identifier: Apache-2.0
#include "run/run.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <memory>
#include <optional>

#include "base/cancel.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "evaluate/sample_source.hpp"
#include "evaluate/simulate.hpp"
#include "quantize/findings.hpp"
#include "report/report.hpp"
#include "run/digest_files.hpp"
#include "run/state_files.hpp"
#include "serialize/artifact_writer.hpp"

namespace detent {
namespace {

class Run {
 public:
  Run(const Config& config, const Model& model, const RunOptions& options)
      : config_(config), model_(model), options_(options), pool_(config.threads) {
    facts_.config = &config;
    facts_.model = &model;
    facts_.threads = pool_.threads();
  }

  RunFacts execute() {
    timed("plan", 0, [&] { plan(); });
    timed("fingerprint", 0, [&] { fingerprint(); });
    if (!facts_.plan.activations.empty() || !facts_.plan.statistics.empty())
      timed("calibrate", 0, [&] { calibrate(); });
    sides_ = sides_of(facts_.plan, facts_.calibration);
    for (auto& writer : writers_) writer->declare(facts_.calibration);
    timed("quantize", facts_.plan.bytes_before, [&] { quantize(); });
    timed("finish", facts_.plan.bytes_after, [&] { finish_outputs(); });
    timed("evaluate", 0, [&] { evaluate_outputs(); });
    timed("validate", facts_.plan.bytes_before + facts_.plan.bytes_after,
          [&] { validate_outputs(); });
    if (options_.strict) refuse_warnings(facts_.warnings, ErrorCode::quantization);
    commit();
    return std::move(facts_);
  }

 private:
  template <class F>
  void timed(const char* stage, std::uint64_t bytes, F&& work) {
    check_cancelled();
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    facts_.timings.push_back({stage, elapsed.count(), bytes});
  }

  void plan() {
    facts_.plan = make_plan(config_, model_, options_.program, pool_);
    open_data();
    facts_.warnings = facts_.plan.warnings;
    facts_.notes = facts_.plan.notes;
    if (options_.strict) refuse_warnings(facts_.warnings, ErrorCode::config);
    // What can refuse the run for its targets' sake does so before the work.
    for (const Output& output : config_.outputs) {
      writers_.push_back(std::make_unique<ArtifactWriter>(
          config_, output, facts_.plan, model_, options_.program, options_.overwrite, pool_));
      const std::vector<Warning> warnings = writers_.back()->warnings();
      facts_.warnings.insert(facts_.warnings.end(), warnings.begin(), warnings.end());
    }
    if (config_.report_path)
      report_ = std::make_unique<ReportWriter>(*config_.report_path, options_.overwrite);
  }

  bool observes() const {
    const auto& activations = facts_.plan.activations;
    return !facts_.plan.statistics.empty() ||
           std::any_of(activations.begin(), activations.end(),
                       [](const ActivationPlan& a) { return !a.dynamic; });
  }

  // With states the data may be elsewhere: there is no evaluation then.
  bool has_data() const {
    const auto& files = config_.calibration_data;
    return options_.states.empty() || std::all_of(files.begin(), files.end(), [](const auto& f) {
             return std::filesystem::exists(f);
           });
  }

  // What the observers are to see, or have seen, and what the model is evaluated on.
  void open_data() {
    if (has_data()) samples_ = open_samples(config_, options_.program, facts_.plan);
    if (!options_.states.empty() && !observes())
      throw Error(ErrorCode::config,
                  "the states of observers are of no use: no activation has an observer, and no "
                  "weight needs a statistic of its layer's inputs",
                  "leave --state out, or give a rule \"activation\": {\"observer\": ...}");
  }

  void fingerprint() {
    facts_.inputs = digest_inputs(config_, model_);
    if (samples_)
      for (const auto& file : config_.calibration_data)
        facts_.inputs.push_back({file, digest_file(file, config_.sha256_provenance)});
    for (const auto& file : state_files(options_.states))
      facts_.inputs.push_back({file, digest_file(file, config_.sha256_provenance)});
  }

  void calibrate() {
    const Observations seen =
        observes() && options_.states.empty() ? observe_samples() : read_states();
    facts_.calibration = conclude(config_, facts_.plan, seen);
    facts_.calibration.states = state_files(options_.states).size();
    const auto& warnings = facts_.calibration.warnings;
    facts_.warnings.insert(facts_.warnings.end(), warnings.begin(), warnings.end());
  }

  Observations observe_samples() {
    Observations seen = fresh_observations(facts_.plan, pool_);
    observe(
        *options_.program, facts_.plan, *samples_, planned_batches(config_, *samples_),
        [&](std::uint64_t done, std::uint64_t total) { progress("calibrate", done, total); }, seen);
    return seen;
  }

  // Also where there are none and nothing to observe: all activations are dynamic.
  Observations read_states() {
    if (options_.states.empty()) return {};
    return load_states(facts_.plan, model_digest(model_), read_state_files(options_.states), pool_);
  }

  void quantize() {
    std::uint64_t done = 0;
    for (const TensorPlan& t : facts_.plan.tensors) {
      check_cancelled();
      const TensorInfo& info = model_.tensors()[t.tensor];
      progress("quantize", done, facts_.plan.bytes_before, info.name);
      const auto tensor = std::make_unique<HostTensor>(info.name, info.dtype, info.shape);
      model_.read(info, tensor->bytes());
      if (t.quantize) {
        quantize_one(t, info, *tensor);
      } else {
        simulate(t, info, nullptr);
        remember_digest(info.name, tensor->bytes());
        for (auto& writer : writers_) writer->add_kept(info, *tensor);
      }
      done += t.bytes_before;
    }
    add_activations();
    remark_on_gain(config_, facts_.plan, facts_.results, remarks_);
    facts_.warnings.insert(facts_.warnings.end(), remarks_.warnings.begin(),
                           remarks_.warnings.end());
    facts_.notes.insert(facts_.notes.end(), remarks_.notes.begin(), remarks_.notes.end());
    progress("quantize", done, done);
  }

  void add_activations() {
    for (std::size_t i = 0; i < facts_.plan.activations.size(); ++i) {
      const ActivationPlan& a = facts_.plan.activations[i];
      if (a.dynamic) continue;
      const TensorStore& qparams = *facts_.calibration.sites[i].qparams;
      for (const StoredName& s : a.stored) remember_digest(s.name, qparams.find(s.output)->bytes());
      for (auto& writer : writers_) writer->add_activation(a, qparams);
    }
  }

  void quantize_one(const TensorPlan& t, const TensorInfo& info, const HostTensor& weight) {
    TensorStore outputs;
    const TensorResult result = quantize_tensor(
        t, info, weight, pool_, outputs, statistics_of(facts_.plan, facts_.calibration, t.tensor));
    simulate(t, info, &outputs);
    for (const StoredName& s : t.stored) remember_digest(s.name, outputs.find(s.output)->bytes());
    for (auto& writer : writers_) writer->add_quantized(t, outputs);
    sqnr_[info.name] = result.error.sqnr_db();
    remark_on_tensor(t, info, result, remarks_);
    facts_.results.emplace(t.tensor, result);
  }

  void simulate(const TensorPlan& t, const TensorInfo& info, const TensorStore* quantized) {
    if (samples_) simulate_tensor(*options_.program, t, info, quantized, sides_, pool_);
  }

  void remember_digest(const std::string& name, std::span<const std::byte> bytes) {
    const std::string digest = xxh3(bytes);
    digests_[name] = digest.substr(digest.find(':') + 1);
  }

  void finish_outputs() {
    for (auto& writer : writers_) writer->finish(sqnr_, digests_);
  }

  void evaluate_outputs() {
    EvaluationInput input;
    input.original = options_.program;
    if (input.original == nullptr) input.why_not = why_not_runnable(model_);
    std::vector<SampleRange> batches;
    if (samples_) batches = planned_batches(config_, *samples_);
    if (samples_) input.samples = source_of(*samples_, batches);
    std::uint64_t total = 0;
    for (const SampleRange& b : batches) total += b.count;
    input.progress = [&](std::uint64_t done) { progress("evaluate", done, total); };
    input.open = options_.open_program;
    for (const auto& writer : writers_) input.artifacts.push_back(writer->staged());
    facts_.evaluation = evaluate(input);
    facts_.warnings.insert(facts_.warnings.end(), facts_.evaluation.warnings.begin(),
                           facts_.evaluation.warnings.end());
  }

  void validate_outputs() {
    std::uint64_t original_bytes = 0;
    for (const auto& file : model_.files()) original_bytes += std::filesystem::file_size(file);
    for (std::size_t i = 0; i < writers_.size(); ++i) {
      const ArtifactWriter& writer = *writers_[i];
      const Validation one =
          validate(config_.validators,
                   {facts_.plan, model_, original_bytes, digests_, writer.staged(),
                    writer.file_bytes(), facts_.evaluation.outputs[i]},
                   pool_);
      facts_.validation.add(one);
    }
    judge();
  }

  void judge() {
    std::vector<Problem> failures;
    for (const Finding& f : facts_.validation.findings) {
      if (f.severity == DETENT_FINDING_INFO || config_.on_failure == OnFailure::ignore) continue;
      const bool failure = f.severity >= DETENT_FINDING_FAIL;
      if (failure && config_.on_failure == OnFailure::error) {
        failures.push_back({describe(f), "", {.tensor = f.target, .plugin = f.validator}});
      } else {
        facts_.warnings.push_back({failure ? "validation_failed" : f.metric,
                                   describe(f),
                                   {.tensor = f.target, .plugin = f.validator}});
      }
    }
    if (failures.empty()) return;
    failures.back().hint =
        "nothing was written; see \"validation\": {\"on_failure\": \"warn\"} to keep "
        "the result all the same";
    throw Error(ErrorCode::validation, std::move(failures));
  }

  void commit() {
    for (std::size_t i = 0; i < writers_.size(); ++i)
      facts_.outputs.push_back({writers_[i]->target(), config_.outputs[i].serializer.plugin->id,
                                writers_[i]->file_bytes(),
                                digest_file(writers_[i]->staged(), false)});
    facts_.peak_memory_bytes = peak_memory_bytes();
    if (report_) report_->write(facts_);
    for (auto& writer : writers_) writer->commit();
    if (report_) report_->commit();
  }

  void progress(const char* stage, std::uint64_t done, std::uint64_t total,
                const std::string& item = {}) const {
    if (options_.progress) options_.progress({stage, item, done, total});
  }

  const Config& config_;
  const Model& model_;
  const RunOptions& options_;
  ThreadPool pool_;
  RunFacts facts_;
  std::optional<Samples> samples_;
  SidesOf sides_;
  std::vector<std::unique_ptr<ArtifactWriter>> writers_;
  std::unique_ptr<ReportWriter> report_;
  SqnrOf sqnr_;
  Remarks remarks_;
  DigestOf digests_;
};

}  // namespace

RunFacts run_pipeline(const Config& config, const Model& model, const RunOptions& options) {
  return Run(config, model, options).execute();
}

void refuse_warnings(const std::vector<Warning>& warnings, ErrorCode code) {
  if (warnings.empty()) return;
  std::vector<Problem> problems;
  for (const Warning& w : warnings)
    problems.push_back({fmt::format("{} [{}]", w.message, w.code), "", w.where});
  problems.back().hint = "without --strict this is a warning";
  throw Error(code, std::move(problems));
}

}  // namespace detent
