// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"
#include "plugin/search_path.hpp"
#include "report/report.hpp"
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
  return all;
}

void explain_search(const Registry& registry, const Globals& globals) {
  if (!globals.verbose) return;
  for (const PluginProblem& p : registry.problems())
    print_warnings({{"plugin_refused", fmt::format("{}: {}", p.path.string(), p.reason), {}}},
                   globals);
}

}  // namespace

Registry installed_plugins(const Globals& globals) {
  return Registry::scan(plugin_search_path({}, globals.plugin_path));
}

Pipeline load_pipeline(const Globals& globals, const PipelineOptions& options) {
  Config config = load_config(options.config, overrides(options));
  Registry registry =
      Registry::scan(plugin_search_path(config.plugin_search, globals.plugin_path), config.pins);
  explain_search(registry, globals);
  check_plugins(config, registry);
  return {std::move(registry), std::move(config)};
}

int plan(const Globals& globals, const PipelineOptions& options) {
  const Pipeline pipeline = load_pipeline(globals, options);
  const auto model = open_model(pipeline.config.model_path, pipeline.config.model_options);
  ThreadPool pool(1);
  const Plan plan = make_plan(pipeline.config, *model, pool);
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
  ProgressBar bar(!globals.quiet && !globals.json);
  const RunFacts facts =
      run_pipeline(pipeline.config, *model,
                   {.overwrite = options.overwrite ? Overwrite::replace : Overwrite::refuse,
                    .strict = options.strict,
                    .progress = [&](const std::string& stage, std::uint64_t done,
                                    std::uint64_t total) { bar.update(stage, done, total); }});
  bar.clear();
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
