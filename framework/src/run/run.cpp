// SPDX-License-Identifier: Apache-2.0
#include "run/run.hpp"

#include <chrono>
#include <fmt/format.h>
#include <memory>

#include "base/cancel.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "report/report.hpp"
#include "run/digest_files.hpp"
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
    timed("fingerprint", 0, [&] { facts_.inputs = digest_inputs(config_, model_); });
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
    facts_.plan = make_plan(config_, model_, pool_);
    facts_.warnings = facts_.plan.warnings;
    if (options_.strict) refuse_warnings(facts_.warnings, ErrorCode::config);
    // What can refuse the run for its targets' sake does so before the work.
    for (const Output& output : config_.outputs)
      writers_.push_back(
          std::make_unique<ArtifactWriter>(output, facts_.plan, model_, options_.overwrite, pool_));
    if (config_.report_path)
      report_ = std::make_unique<ReportWriter>(*config_.report_path, options_.overwrite);
  }

  void quantize() {
    std::uint64_t done = 0;
    for (const TensorPlan& t : facts_.plan.tensors) {
      check_cancelled();
      progress("quantize", done, facts_.plan.bytes_before);
      const TensorInfo& info = model_.tensors()[t.tensor];
      const auto tensor = std::make_unique<HostTensor>(info.name, info.dtype, info.shape);
      model_.read(info, tensor->bytes());
      if (t.quantize) {
        quantize_one(t, info, *tensor);
      } else {
        remember_digest(info.name, tensor->bytes());
        for (auto& writer : writers_) writer->add_kept(info, *tensor);
      }
      done += t.bytes_before;
    }
    progress("quantize", done, done);
  }

  void quantize_one(const TensorPlan& t, const TensorInfo& info, const HostTensor& weight) {
    TensorStore outputs;
    const TensorResult result = quantize_tensor(t, info, weight, pool_, outputs);
    for (const StoredName& s : t.stored) remember_digest(s.name, outputs.find(s.output)->bytes());
    for (auto& writer : writers_) writer->add_quantized(t, outputs);
    sqnr_[info.name] = result.sqnr_db;
    if (result.overflows > 0)
      facts_.warnings.push_back(
          {"overflow",
           fmt::format("\"{}\": {} values are beyond the range of the target type", info.name,
                       result.overflows),
           {.tensor = info.name, .layer = info.layer, .plugin = t.scheme->quantizer.plugin->id}});
    facts_.results.emplace(t.tensor, result);
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
      facts_.validation.findings.insert(facts_.validation.findings.end(), one.findings.begin(),
                                        one.findings.end());
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

  void progress(const char* stage, std::uint64_t done, std::uint64_t total) const {
    if (options_.progress) options_.progress(stage, done, total);
  }

  const Config& config_;
  const Model& model_;
  const RunOptions& options_;
  ThreadPool pool_;
  RunFacts facts_;
  std::vector<std::unique_ptr<ArtifactWriter>> writers_;
  std::unique_ptr<ReportWriter> report_;
  SqnrOf sqnr_;
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
