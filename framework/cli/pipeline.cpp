// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <memory>

#include "artifact/artifact.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "plan/failed_layers.hpp"
#include "plugin/search_path.hpp"
#include "report/report.hpp"
#include "run/observe_run.hpp"
#include "run/run.hpp"

namespace detent::cli {
namespace {

std::vector<ConfigOverride> overrides(const PipelineOptions& options) {
  std::vector<ConfigOverride> all;
  for (const std::string& text : options.set) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || !text.starts_with('/'))
      throw Error(ErrorCode::config, fmt::format("--set {}: no /json/pointer=value", text),
                  "for example --set /runtime/threads=2");
    all.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  if (options.threads) all.push_back({"/runtime/threads", std::to_string(*options.threads)});
  if (options.memory_limit)
    all.push_back({"/runtime/memory_limit", std::to_string(*options.memory_limit)});
  return all;
}

void explain_search(const Registry& registry, const Globals& globals) {
  if (!globals.verbose) return;
  for (const PluginProblem& p : registry.problems())
    print_warnings({{"plugin_refused", fmt::format("{}: {}", p.path.string(), p.reason), {}}},
                   globals);
}

// nullptr for weights alone, and where programs cannot run.
std::unique_ptr<Program> open_program(const Model& model, const Config& config,
                                      const PipelineOptions& options) {
  if (!model.is_program()) return nullptr;
  return detent::open_program(model, {.threads = config.model_threads,
                                      .trust_model = options.trust_model,
                                      .timeout_seconds = config.model_timeout});
}

// "2/3"
Shard parse_shard(const std::string& text) {
  if (text.empty()) return {};
  Shard shard;
  const std::size_t slash = text.find('/');
  const auto number = [](std::string_view digits, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  const bool read = slash != std::string::npos &&
                    number(std::string_view(text).substr(0, slash), shard.index) &&
                    number(std::string_view(text).substr(slash + 1), shard.shards);
  constexpr std::uint64_t kMost = 1'000'000;
  if (!read || shard.index < 1 || shard.index > shard.shards || shard.shards > kMost)
    throw Error(ErrorCode::config, fmt::format("--shard {}: no part of a number of parts", text),
                "for example --shard 1/2 here, and --shard 2/2 elsewhere");
  return shard;
}

class ProgressOutput {
 public:
  ProgressOutput(const Globals& globals, const PipelineOptions& options)
      : bar_(options.progress == ProgressAs::bar && !globals.quiet && !globals.json),
        events_(options.progress == ProgressAs::json) {}

  void update(const RunProgress& p) {
    const bool samples = p.stage == "calibrate" || p.stage == "evaluate";
    const Unit unit = samples ? Unit::samples : Unit::bytes;
    if (events_) {
      const std::string line = progress_event(p.stage, p.item, p.done, p.total, unit);
      std::fwrite(line.data(), 1, line.size(), stderr);
    } else {
      bar_.update(p.stage, p.done, p.total, unit);
    }
  }
  void clear() { bar_.clear(); }

 private:
  ProgressBar bar_;
  bool events_;
};

}  // namespace

Registry installed_plugins(const Globals& globals) {
  return Registry::scan(plugin_search_path({}, globals.plugin_path), {}, plugin_cache_file(),
                        PluginTrust::any, PluginListing::elsewhere);
}

Pipeline load_pipeline(const Globals& globals, const PipelineOptions& options) {
  Config config = load_config(options.config, overrides(options));
  Registry registry =
      Registry::scan(plugin_search_path(config.plugin_search, globals.plugin_path), config.pins,
                     plugin_cache_file(), trust_of(config), listing_of(config));
  explain_search(registry, globals);
  check_plugins(config, registry);
  return {std::move(registry), std::move(config)};
}

int plan(const Globals& globals, const PipelineOptions& options) {
  const Pipeline pipeline = load_pipeline(globals, options);
  const auto model = open_model(pipeline.config.model_path, pipeline.config.model_options);
  refuse_quantized(*model);
  const auto program = open_program(*model, pipeline.config, options);
  ThreadPool pool(1);
  FailedLayers failed(pipeline.config, *model);
  Plan plan = without_failed_layers(failed, [&](const KeptLayers& kept) {
    return make_plan(pipeline.config, *model, program.get(), pool, kept);
  });
  for (Warning& w : failed.warnings()) plan.warnings.push_back(std::move(w));
  open_samples(pipeline.config, program.get(), plan);
  if (options.strict) refuse_warnings(plan.warnings, ErrorCode::config);
  if (globals.json) {
    print_json(plan_to_json(plan, *model));
  } else {
    print_text(plan_table(plan, *model));
  }
  print_warnings(plan.warnings, globals);
  return 0;
}

int run(const Globals& globals, const PipelineOptions& options) {
  const Pipeline pipeline = load_pipeline(globals, options);
  const auto model = open_model(pipeline.config.model_path, pipeline.config.model_options);
  refuse_quantized(*model);
  const auto program = open_program(*model, pipeline.config, options);
  ProgressOutput progress(globals, options);
  const RunFacts facts = run_pipeline(
      pipeline.config, *model,
      {.overwrite = options.overwrite ? Overwrite::replace : Overwrite::refuse,
       .strict = options.strict,
       .program = program.get(),
       .open_program =
           [&](const Model& artifact) { return open_program(artifact, pipeline.config, options); },
       .states = options.states,
       .progress = [&](const RunProgress& p) { progress.update(p); }});
  progress.clear();
  print_warnings(facts.warnings, globals);
  if (globals.json) {
    print_json(report_to_json(facts));
  } else if (!globals.quiet) {
    print_text(run_table(facts));
    if (pipeline.config.report_path)
      print_text(
          fmt::format("report  {}\n", (*pipeline.config.report_path / "report.json").string()));
  }
  return 0;
}

int observe(const Globals& globals, const PipelineOptions& options) {
  const Shard shard = parse_shard(options.shard);
  const Pipeline pipeline = load_pipeline(globals, options);
  const auto model = open_model(pipeline.config.model_path, pipeline.config.model_options);
  refuse_quantized(*model);
  const auto program = open_program(*model, pipeline.config, options);
  ProgressOutput progress(globals, options);
  const ObserveFacts facts =
      observe_pipeline(pipeline.config, *model,
                       {.folder = options.states.front(),
                        .shard = shard,
                        .overwrite = options.overwrite ? Overwrite::replace : Overwrite::refuse,
                        .strict = options.strict,
                        .program = program.get(),
                        .progress = [&](std::uint64_t done, std::uint64_t total) {
                          progress.update({"calibrate", "", done, total});
                        }});
  progress.clear();
  print_warnings(facts.warnings, globals);
  if (globals.json) {
    json::Array warnings;
    for (const Warning& w : facts.warnings) warnings.push_back(to_json(w));
    print_json(json::Object{{"state", facts.file.string()},
                            {"bytes", facts.bytes},
                            {"samples", facts.samples},
                            {"batches", facts.batches},
                            {"activations", facts.plan.activations.size()},
                            {"warnings", std::move(warnings)}});
  } else if (!globals.quiet) {
    print_text(fmt::format("state   {} ({}), {} samples in {} batches\n", facts.file.string(),
                           human_bytes(facts.bytes), facts.samples, facts.batches));
  }
  return 0;
}

int config_check(const Globals& globals, const PipelineOptions& options) {
  const Pipeline pipeline = load_pipeline(globals, options);
  const json::Value effective = effective_config(pipeline.config);
  if (globals.json) {
    print_json(json::Object{{"valid", true}, {"config", effective}});
  } else if (globals.verbose) {
    print_json(effective);
  } else if (!globals.quiet) {
    print_text(fmt::format("{}: no mistakes found\n", options.config.string()));
  }
  return 0;
}

int config_schema(const Globals& globals) {
  print_json(detent::config_schema(installed_plugins(globals)));
  return 0;
}

}  // namespace detent::cli
