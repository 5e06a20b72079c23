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
#include "plan/failed_layers.hpp"
#include "quantize/findings.hpp"
#include "report/report.hpp"
#include "run/digest_files.hpp"
#include "run/model_digests.hpp"
#include "run/state_files.hpp"
#include "run/weight_pass.hpp"
#include "serialize/artifact_writer.hpp"

namespace detent {
namespace {

class Run {
 public:
  Run(const Config& config, const Model& model, const RunOptions& options,
      const FailedLayers& failed)
      : config_(config), model_(model), options_(options), failed_(failed), pool_(config.threads) {
    facts_.config = &config;
    facts_.model = &model;
    facts_.threads = pool_.threads();
  }

  const Plan& made_plan() const { return facts_.plan; }

  RunFacts execute() {
    timed("plan", 0, [&] { plan(); });
    timed("fingerprint", 0, [&] { fingerprint(); });
    if (!facts_.plan.activations.empty() || !facts_.plan.statistics.empty())
      timed("calibrate", 0, [&] { calibrate(); });
    sides_ = sides_of(facts_.plan, facts_.calibration);
    for (auto& writer : writers_) writer->declare(facts_.calibration);
    timed("quantize", facts_.plan.bytes_before, [&] { quantize(); });
    add_pass_times();
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

  // Of all threads together; the stage "quantize" is the time on the clock.
  void add_pass_times() {
    facts_.timings.push_back({"quantize.read", pass_times_.read, facts_.plan.bytes_before});
    facts_.timings.push_back({"quantize.compute", pass_times_.compute, facts_.plan.bytes_before});
    facts_.timings.push_back({"quantize.write", pass_times_.write, facts_.plan.bytes_after});
  }

  void plan() {
    facts_.plan = make_plan(config_, model_, options_.program, pool_, failed_.kept());
    open_data();
    facts_.warnings = failed_.warnings();
    facts_.warnings.insert(facts_.warnings.end(), facts_.plan.warnings.begin(),
                           facts_.plan.warnings.end());
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

  // The model's own files are read by the pass over the weights, where that goes in their order.
  void fingerprint() {
    if (model_.file_bytes() != nullptr && !config_.sha256_provenance) {
      facts_.inputs = digest_config(config_);
      model_inputs_ = facts_.inputs.size();
      digests_of_model_.emplace(model_);
    } else {
      facts_.inputs = digest_inputs(config_, model_);
    }
    if (samples_)
      for (const auto& file : config_.calibration_data)
        facts_.inputs.push_back({file, digest_file(file, config_.sha256_provenance)});
    for (const auto& file : state_files(options_.states))
      facts_.inputs.push_back({file, digest_file(file, config_.sha256_provenance)});
  }

  void add_model_digests() {
    if (!digests_of_model_) return;
    const std::vector<std::string> passed = digests_of_model_->finish();
    std::vector<FileDigest> digests;
    for (std::size_t i = 0; i < model_.files().size(); ++i)
      digests.push_back({model_.files()[i],
                         i < passed.size() ? passed[i] : digest_file(model_.files()[i], false)});
    facts_.inputs.insert(facts_.inputs.begin() + static_cast<std::ptrdiff_t>(model_inputs_),
                         digests.begin(), digests.end());
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
    WeightPass pass({facts_.plan, model_, facts_.calibration, pool_, writers_,
                     digests_of_model_ ? &*digests_of_model_ : nullptr, options_.program != nullptr,
                     [&](const TensorPlan& t, const TensorInfo& info,
                         const TensorStore* quantized) { simulate(t, info, quantized); },
                     [&](std::uint64_t done, const std::string& tensor) {
                       progress("quantize", done, facts_.plan.bytes_before, tensor);
                     }});
    weights_ = pass.run();
    pass_times_ = pass.times();
    add_model_digests();
    add_activations();
    facts_.results = weights_.results;
    remark_on_gain(config_, facts_.plan, facts_.results, weights_.remarks);
    const Remarks& remarks = weights_.remarks;
    facts_.warnings.insert(facts_.warnings.end(), remarks.warnings.begin(), remarks.warnings.end());
    facts_.notes.insert(facts_.notes.end(), remarks.notes.begin(), remarks.notes.end());
    progress("quantize", facts_.plan.bytes_before, facts_.plan.bytes_before);
  }

  void add_activations() {
    for (std::size_t i = 0; i < facts_.plan.activations.size(); ++i) {
      const ActivationPlan& a = facts_.plan.activations[i];
      if (a.dynamic) continue;
      const TensorStore& qparams = *facts_.calibration.sites[i].qparams;
      for (const StoredName& s : a.stored) {
        const std::string digest = xxh3(qparams.find(s.output)->bytes());
        weights_.digests[s.name] = digest.substr(digest.find(':') + 1);
      }
      for (auto& writer : writers_) writer->add_activation(a, qparams);
    }
  }

  void simulate(const TensorPlan& t, const TensorInfo& info, const TensorStore* quantized) {
    if (!samples_) return;
    // What was simulated of it before a plugin failed is taken back.
    if (failed_.kept().contains(info.layer)) forget(info);
    simulate_tensor(*options_.program, t, info, quantized, sides_, pool_);
  }

  void forget(const TensorInfo& info) const {
    SimulatedWeight as_it_was;
    as_it_was.weight = info.name;
    options_.program->simulate({&as_it_was, 1});
  }

  void finish_outputs() {
    for (auto& writer : writers_) writer->finish(weights_.sqnr, weights_.digests);
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
      // The file is read twice at once: for its own digest, and tensor by tensor.
      Validation one;
      output_digests_.emplace_back();
      const auto look = [&](std::uint64_t task) {
        if (task == 0) {
          output_digests_.back() = digest_file(writer.staged(), false);
        } else {
          one = validate(config_.validators,
                         {facts_.plan, model_, original_bytes, weights_.digests, weights_.results,
                          weights_.kept_non_finite, config_.outputs[i].serializer, writer.staged(),
                          writer.file_bytes(), facts_.evaluation.outputs[i]},
                         pool_);
        }
      };
      pool_.parallel_for(2, look);
      if (!one.not_read.empty())
        facts_.warnings.push_back({"artifact_not_read",
                                   one.not_read,
                                   {.file = writer.target().string(),
                                    .plugin = config_.outputs[i].serializer.plugin->id}});
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
                                writers_[i]->file_bytes(), output_digests_[i]});
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
  const FailedLayers& failed_;
  ThreadPool pool_;
  RunFacts facts_;
  std::optional<Samples> samples_;
  SidesOf sides_;
  std::vector<std::unique_ptr<ArtifactWriter>> writers_;
  std::unique_ptr<ReportWriter> report_;
  std::optional<ModelDigests> digests_of_model_;
  std::size_t model_inputs_ = 0;  // where the model's files come among facts_.inputs
  WeightFacts weights_;
  PassTimes pass_times_;
  std::vector<std::string> output_digests_;
};

}  // namespace

RunFacts run_pipeline(const Config& config, const Model& model, const RunOptions& options) {
  FailedLayers failed(config, model);
  for (;;) {
    Run run(config, model, options, failed);
    try {
      return run.execute();
    } catch (const Error& error) {
      if (!failed.take(error, &run.made_plan())) throw;
    }
  }
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
