// SPDX-License-Identifier: Apache-2.0
#include "run/observe_run.hpp"

#include <fmt/format.h>
#include <span>

#include "base/file.hpp"
#include "calibrate/site.hpp"
#include "run/digest_files.hpp"
#include "run/state_files.hpp"

namespace detent {
namespace {

void refuse_useless(const Plan& plan, const Observations& fresh, const Shard& shard) {
  if (fresh.sites.empty())
    throw Error(ErrorCode::config,
                "there is nothing to observe: no activation has an observer, and no weight needs a "
                "statistic of its layer's inputs",
                "give a rule \"activation\": {\"observer\": ...}");
  for (const SiteObservation& site : fresh.sites) {
    if (shard.shards == 1 || site.observer.can_merge()) continue;
    const Site where = site_of(plan, site);
    const std::string& id = where.observer.plugin->id;
    throw Error(ErrorCode::config,
                fmt::format("observer \"{}\" cannot put the states of several parts together: "
                            "its result is defined by the order of all batches",
                            id),
                "observe all data at once, without --shard, or choose another observer",
                {.layer = where.layer, .plugin = id});
  }
}

StateOrigin origin_of(const Config& config, const Model& model, const Shard& shard) {
  StateOrigin origin{model_digest(model), shard, {}};
  for (const auto& file : config.calibration_data)
    origin.data.emplace_back(file.filename().string(), digest_file(file, false));
  return origin;
}

void write_whole(const std::filesystem::path& path, const std::string& bytes) {
  File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(bytes)));
  file.sync();
  file.close();
}

}  // namespace

ObserveFacts observe_pipeline(const Config& config, const Model& model,
                              const ObserveOptions& options) {
  ThreadPool pool(config.threads);
  ObserveFacts facts;
  facts.plan = make_plan(config, model, options.program, pool);
  facts.warnings = facts.plan.warnings;
  if (options.strict) refuse_warnings(facts.warnings, ErrorCode::config);
  Observations seen = fresh_observations(facts.plan, pool);
  refuse_useless(facts.plan, seen, options.shard);
  const std::string name = state_name(options.shard);
  Staging staging(options.folder / name, name, options.overwrite);
  const std::optional<Samples> samples = open_samples(config, options.program, facts.plan);
  observe(*options.program, facts.plan, *samples,
          batches_of(options.shard, planned_batches(config, *samples)), options.progress, seen);
  const std::string bytes = save_state(facts.plan, seen, origin_of(config, model, options.shard));
  write_whole(staging.staged(), bytes);
  staging.commit({name});
  facts.file = staging.target();
  facts.bytes = bytes.size();
  facts.samples = seen.samples;
  facts.batches = seen.batches;
  return facts;
}

}  // namespace detent
