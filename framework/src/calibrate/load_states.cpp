// SPDX-License-Identifier: Apache-2.0
// load_states: states of observers, checked against the run that wants to use them, and merged.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <tuple>

#include "base/text.hpp"
#include "calibrate/site.hpp"
#include "calibrate/state.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse(const ObserverState& state, const std::string& why,
                         std::string hint = "make the states again with this configuration") {
  throw Error(ErrorCode::config, fmt::format("{}: {}", state.file, why), std::move(hint),
              {.file = state.file});
}

// What tells the sites of a state apart.
using Key = std::tuple<std::string, Side, std::string>;

Key key_of(const Site& site) { return {site.name, site.side, site.statistic}; }
Key key_of(const ObserverState::Site& site) { return {site.site, site.side, site.statistic}; }

std::string describe(const ObserverState::Site& site) {
  return fmt::format(
      "{} of \"{}\"{}", to_string(site.side), printable(site.site),
      site.statistic.empty() ? "" : fmt::format(" (for {})", printable(site.statistic)));
}

class StateChecker {
 public:
  StateChecker(const Plan& plan, const std::string& model_digest) : model_digest_(model_digest) {
    for (const ActivationPlan& a : plan.activations)
      if (!a.dynamic) expect(site_of(a));
    for (const StatisticPlan& s : plan.statistics) expect(site_of(s));
  }

  void check(const ObserverState& state) {
    if (state.origin.model != model_digest_)
      refuse(state, "the states are of another model",
             "the model was changed, or `detent observe` ran with another one");
    if (state.sites.size() != expected_.size())
      refuse(state, fmt::format("it holds the states of {} activations, and this configuration "
                                "observes {}",
                                state.sites.size(), expected_.size()));
    std::set<Key> seen;
    for (const ObserverState::Site& site : state.sites) {
      const auto at = expected_.find(key_of(site));
      if (at == expected_.end() || !seen.insert(at->first).second)
        refuse(state, fmt::format("it holds the state of the {}, which this configuration does "
                                  "not observe",
                                  describe(site)));
      check_maker(state, site, at->second);
    }
  }

  // Nothing is counted twice, nothing is left out.
  static void check_parts(const std::vector<ObserverState>& states) {
    std::map<std::vector<std::pair<std::string, std::string>>, std::vector<const ObserverState*>>
        by_data;
    for (const ObserverState& s : states) by_data[s.origin.data].push_back(&s);
    for (const auto& [data, parts] : by_data) check_shards(parts);
  }

 private:
  void expect(const Site& site) { expected_.emplace(key_of(site), observer_identity(site)); }

  static void check_maker(const ObserverState& state, const ObserverState::Site& site,
                          const json::Object& expected) {
    for (const json::Member& m : expected) {
      const json::Value* found = site.made_by.find(m.key);
      if (found != nullptr && *found == m.value) continue;
      refuse(state,
             fmt::format("for the {} it has {} {}, and this configuration {}", describe(site),
                         m.key, found == nullptr ? "none" : printable(json::dump(*found)),
                         json::dump(m.value)));
    }
  }

  static void check_shards(const std::vector<const ObserverState*>& parts) {
    const std::uint64_t shards = parts.front()->origin.shard.shards;
    std::set<std::uint64_t> seen;
    for (const ObserverState* part : parts) {
      const Shard& shard = part->origin.shard;
      if (shard.shards != shards || shard.index < 1 || shard.index > shards)
        refuse(*part,
               fmt::format("it is part {} of {}, and another state is part {} of {}", shard.index,
                           shard.shards, parts.front()->origin.shard.index, shards),
               "give the parts of one and the same division");
      if (!seen.insert(shard.index).second)
        refuse(*part, "the same data were given twice", "give each state once");
    }
    if (seen.size() != shards)
      refuse(*parts.front(),
             fmt::format("only {} of the {} parts of its data are there", seen.size(), shards),
             "give the states of all parts, or make one of all data");
  }

  const std::string& model_digest_;
  std::map<Key, json::Object> expected_;  // who made it
};

void refuse_unmergeable(const Plan& plan, const Observations& fresh,
                        const std::vector<ObserverState>& states) {
  if (states.size() < 2) return;
  for (const SiteObservation& site : fresh.sites) {
    if (site.observer.can_merge()) continue;
    const Site where = site_of(plan, site);
    refuse(states[1],
           fmt::format("observer \"{}\" of the {} cannot put the states of several parts together: "
                       "its result is defined by the order of all batches",
                       where.observer.plugin->id, where.describe()),
           "observe all data in one process, or choose another observer");
  }
}

void add_state(const Plan& plan, const ObserverState& state, ThreadPool& pool, bool first,
               Observations& into) {
  Observations part = fresh_observations(plan, pool);
  for (std::size_t i = 0; i < part.sites.size(); ++i) {
    SiteObservation& site = part.sites[i];
    const Site where = site_of(plan, site);
    const auto at = std::find_if(state.sites.begin(), state.sites.end(),
                                 [&](const auto& s) { return key_of(s) == key_of(where); });
    site.observer.load_state(at->observer);
    if (!site.tally.load(at->tally))
      throw Error(ErrorCode::io,
                  fmt::format("{}: the counts of the {} are damaged", state.file, where.describe()),
                  "make it again with `detent observe`", {.file = state.file});
    // An observer that cannot merge is used as it is: there is one state.
    if (!first) into.sites[i].observer.merge(site.observer);
    if (!first) into.sites[i].tally.merge(site.tally);
  }
  if (first) into.sites = std::move(part.sites);
  into.samples += state.samples;
  into.batches += state.batches;
}

}  // namespace

Observations load_states(const Plan& plan, const std::string& model_digest,
                         const std::vector<ObserverState>& states, ThreadPool& pool) {
  StateChecker checker(plan, model_digest);
  for (const ObserverState& state : states) checker.check(state);
  StateChecker::check_parts(states);
  Observations all = fresh_observations(plan, pool);
  refuse_unmergeable(plan, all, states);
  for (std::size_t i = 0; i < states.size(); ++i) add_state(plan, states[i], pool, i == 0, all);
  all.passes = 1;
  return all;
}

}  // namespace detent
