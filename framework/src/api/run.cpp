// SPDX-License-Identifier: Apache-2.0
// run: the program's main job as a function.
#include "run/run.hpp"

#include "api/boundary.hpp"
#include "artifact/artifact.hpp"
#include "plugin/search_path.hpp"
#include "report/report.hpp"
#include <detent/detent.hpp>

namespace detent {
namespace {

Config load(const RunRequest& request) {
  std::vector<ConfigOverride> overrides;
  for (const auto& [pointer, value] : request.set) overrides.push_back({pointer, value});
  return load_config(request.config, overrides);
}

RunResult result_of(const RunFacts& facts) {
  RunResult result;
  for (const OutputFacts& output : facts.outputs) result.outputs.push_back(output.path);
  result.warnings = facts.warnings;
  result.report = json::dump(report_to_json(facts), 2);
  return result;
}

}  // namespace

RunResult run(const RunRequest& request) {
  return at_boundary([&] {
    Config config = load(request);
    const Registry registry =
        Registry::scan(plugin_search_path(config.plugin_search, request.plugin_folders),
                       config.pins, plugin_cache_file(), trust_of(config), listing_of(config));
    check_plugins(config, registry);
    const auto open = [&](const Model& model) {
      return open_program(model, {.threads = config.model_threads,
                                  .trust_model = request.trust_model,
                                  .timeout_seconds = config.model_timeout});
    };
    const auto model = open_model(config.model_path, config.model_options);
    refuse_quantized(*model);
    const auto program = open(*model);
    RunOptions options;
    options.overwrite = request.overwrite ? Overwrite::replace : Overwrite::refuse;
    options.strict = request.strict;
    options.program = program.get();
    options.open_program = open;
    if (request.progress)
      options.progress = [&](const RunProgress& p) { request.progress(p.stage, p.done, p.total); };
    return result_of(run_pipeline(config, *model, options));
  });
}

}  // namespace detent
