// SPDX-License-Identifier: Apache-2.0
#include "calibrate/observe.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <map>

#include "base/cancel.hpp"
#include "base/dtype.hpp"
#include "calibrate/channel_view.hpp"
#include "calibrate/site.hpp"
#include "calibrate/value_counter.hpp"

namespace detent {
namespace {

// The same error with its place in the data in front; what to do about it stays.
[[noreturn]] void rethrow_at(const Error& error, const std::string& place,
                             const std::string& layer) {
  std::vector<Problem> problems = error.problems();
  for (Problem& p : problems) {
    p.message = fmt::format("{}: {}", place, p.message);
    if (!layer.empty()) p.where.layer = layer;
  }
  throw Error(error.code(), std::move(problems));
}

std::string place_of(std::uint64_t batch, const SampleRange& range) {
  return range.count == 1 ? fmt::format("calibration batch {} (sample {})", batch, range.first + 1)
                          : fmt::format("calibration batch {} (samples {} to {})", batch,
                                        range.first + 1, range.first + range.count);
}

Observer make_observer(const PluginUse& use, const std::string& site, const QuantTarget& target,
                       ThreadPool& pool) {
  return {*use.plugin,
          pool,
          {.params = use.params, .target = site, .role = DETENT_ROLE_ACTIVATION, .qspec = &target}};
}

// What the observers do with what the program shows. An error waits until the program's call has
// returned: the program is another process, and its answer has to be read to the end.
class Watcher {
 public:
  Watcher(const Plan& plan, Observations& observations) : plan_(plan) {
    for (SiteObservation& site : observations.sites) {
      const Site where = site_of(plan, site);
      auto& watchers = by_weight_[{where.weight, where.side}];
      if (watchers.empty())
        (where.side == Side::input ? watch_.inputs : watch_.outputs).push_back(where.weight);
      watchers.push_back({&site, 0});
    }
    watch_.seen = [this](const std::string& weight, Side side, const detent_tensor& x) {
      counted_ = false;
      see(weight, side, x);
    };
    watch_.again = [this](const std::string& weight, Side side, const detent_tensor& x) {
      see(weight, side, x);
    };
  }

  const Watch* watch() const { return &watch_; }

  void throw_if_any(const std::string& place) {
    if (!error_) return;
    try {
      std::rethrow_exception(std::exchange(error_, nullptr));
    } catch (const Error& e) {
      rethrow_at(e, place, layer_);
    }
  }

 private:
  struct Watching {
    SiteObservation* site;
    std::int64_t channels;  // of a statistic, as it was shown first; 0: not yet
  };

  void see(const std::string& weight, Side side, const detent_tensor& x) {
    const auto at = by_weight_.find({weight, side});
    if (error_ || at == by_weight_.end()) return;
    for (Watching& w : at->second) {
      try {
        show(w, x);
      } catch (...) {
        error_ = std::current_exception();
        layer_ = site_of(plan_, *w.site).layer;
        return;
      }
    }
  }

  // x is what was counted last, or becomes it: its values do not depend on how they are viewed.
  void tally(SiteObservation& site, const detent_tensor& x) {
    if (!counted_) counter_.count(x);
    counted_ = true;
    site.tally.add(counter_);
  }

  void show(Watching& w, const detent_tensor& x) {
    if (!w.site->statistic) {
      w.site->observer.observe(x);
      tally(*w.site, x);
      return;
    }
    const StatisticPlan& s = plan_.statistics[w.site->index];
    const ChannelView view(x, s);
    if (view.empty()) return;
    if (w.channels != 0 && w.channels != view.channels())
      throw Error(ErrorCode::quantization,
                  fmt::format("the operators that use \"{}\" get inputs of {} and of {} channels; "
                              "a statistic of both together has no meaning",
                              s.weight, w.channels, view.channels()),
                  fmt::format("quantize \"{}\" without what needs \"{}\"", s.weight, s.statistic),
                  {.tensor = s.weight, .layer = s.layer});
    w.channels = view.channels();
    w.site->observer.observe(view.tensor());
    tally(*w.site, view.tensor());
  }

  const Plan& plan_;
  std::map<std::pair<std::string, Side>, std::vector<Watching>> by_weight_;
  Watch watch_;
  ValueCounter counter_;
  bool counted_ = false;  // what is seen now
  std::exception_ptr error_;
  std::string layer_;
};

}  // namespace

std::vector<SampleRange> batches_of(const Shard& shard, std::vector<SampleRange> all) {
  const std::uint64_t n = all.size();
  const auto edge = [&](std::uint64_t i) {
    return static_cast<std::ptrdiff_t>(n / shard.shards * i + n % shard.shards * i / shard.shards);
  };
  return {all.begin() + edge(shard.index - 1), all.begin() + edge(shard.index)};
}

Observations fresh_observations(const Plan& plan, ThreadPool& pool) {
  Observations fresh;
  for (std::size_t i = 0; i < plan.activations.size(); ++i) {
    const ActivationPlan& a = plan.activations[i];
    if (a.dynamic) continue;
    fresh.sites.push_back(
        {false, i, make_observer(*a.scheme->observer, a.site, a.target, pool), {}});
  }
  for (std::size_t i = 0; i < plan.statistics.size(); ++i) {
    const StatisticPlan& s = plan.statistics[i];
    fresh.sites.push_back({true, i, make_observer(*s.provider, s.site, s.target, pool), {}});
  }
  return fresh;
}

void observe(Program& program, const Plan& plan, const Samples& samples,
             const std::vector<SampleRange>& batches, const Progress& progress,
             Observations& into) {
  Watcher watcher(plan, into);
  std::uint64_t total = 0;
  for (const SampleRange& range : batches) total += range.count;
  for (const SampleRange& range : batches) {
    check_cancelled();
    if (progress) progress(into.samples, total);
    const SampleBatch batch = samples.read(range);
    const std::vector<NamedTensor> inputs = batch.lent();
    const std::string place = place_of(into.batches + 1, range);
    try {
      program.run(inputs, watcher.watch());
    } catch (const Error& e) {
      watcher.throw_if_any(place);
      rethrow_at(e, place, "");
    }
    watcher.throw_if_any(place);
    into.samples += range.count;
    ++into.batches;
  }
  if (progress) progress(into.samples, total);
  into.passes = 1;
}

}  // namespace detent
