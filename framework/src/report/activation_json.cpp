// SPDX-License-Identifier: Apache-2.0
#include "report/activation_json.hpp"

#include "base/dtype.hpp"

namespace detent {
namespace {

json::Object planned(const ActivationPlan& a) {
  const TensorScheme& s = *a.scheme;
  return json::Object{
      {"layer", a.layer},
      {"site", a.site},
      {"side", to_string(a.side)},
      {"observer", s.observer ? json::Value(s.observer->plugin->id) : json::Value()},
      {"quantizer", s.quantizer.plugin->id},
      {"dynamic", a.dynamic}};
}

json::Array numbers(const std::vector<double>& values) {
  json::Array list;
  for (const double v : values) list.push_back(json::number(v));
  return list;
}

json::Value measured(const ActivationPlan& a, const SiteResult& r) {
  json::Object o = planned(a);
  o.set("dtype", dtype_name(a.target.spec.qdtype));
  o.set("symmetric", a.target.spec.symmetric != 0);
  if (a.dynamic) return o;
  o.set("scale", numbers({r.params.scale.begin(), r.params.scale.end()}));
  json::Array zeros;
  for (const std::int32_t z : r.params.zero_point) zeros.emplace_back(z);
  o.set("zero_point", std::move(zeros));
  o.set("range_min", numbers(r.range_min));
  o.set("range_max", numbers(r.range_max));
  o.set("min", json::number(r.min));
  o.set("max", json::number(r.max));
  o.set("observed", r.observed);
  o.set("non_finite", r.non_finite);
  o.set("clipped_fraction", r.clipped_fraction ? json::number(*r.clipped_fraction) : json::Value());
  return o;
}

json::Object planned(const StatisticPlan& s) {
  return json::Object{{"layer", s.layer},
                      {"tensor", s.weight},
                      {"side", "input"},
                      {"statistic", s.statistic},
                      {"observer", s.provider->plugin->id},
                      {"operator", s.op},
                      {"wanted_by", json::Array(s.wanted_by.begin(), s.wanted_by.end())}};
}

json::Object collected(const StatisticPlan& s, const StatisticResult& r) {
  json::Object o = planned(s);
  const HostTensor* mean = r.values->find("mean_square");
  o.set("channels", mean == nullptr ? json::Value() : json::Value(mean->numel()));
  o.set("observed", r.observed);
  o.set("non_finite", r.non_finite);
  return o;
}

}  // namespace

json::Array activations_to_json(const Plan& plan) {
  json::Array list;
  for (const ActivationPlan& a : plan.activations) {
    json::Object o = planned(a);
    o.set("rule", a.rule);
    list.emplace_back(std::move(o));
  }
  return list;
}

json::Array skipped_activations_to_json(const Plan& plan) {
  json::Array list;
  for (const SkippedActivation& s : plan.skipped_activations)
    list.emplace_back(json::Object{{"layer", s.layer}, {"reason", s.reason}, {"rule", s.rule}});
  return list;
}

json::Array statistics_to_json(const Plan& plan) {
  json::Array list;
  for (const StatisticPlan& s : plan.statistics) list.emplace_back(planned(s));
  return list;
}

json::Value calibration_to_json(const RunFacts& facts) {
  const Calibration& c = facts.calibration;
  if (c.passes == 0) return nullptr;
  json::Array statistics;
  for (std::size_t i = 0; i < c.statistics.size(); ++i)
    statistics.emplace_back(collected(facts.plan.statistics[i], c.statistics[i]));
  json::Array files;
  for (const auto& file : facts.config->calibration_data) files.emplace_back(file.string());
  return json::Object{{"samples_requested", c.samples_requested},
                      {"samples_used", c.samples_used},
                      {"batches", c.batches},
                      {"batch_size", facts.config->calibration_batch_size},
                      {"passes", c.passes},
                      {"states", c.states},
                      {"statistics", std::move(statistics)},
                      {"files", std::move(files)}};
}

json::Array layer_activations_to_json(const RunFacts& facts, const std::string& layer) {
  json::Array list;
  const auto& activations = facts.plan.activations;
  for (std::size_t i = 0; i < activations.size(); ++i)
    if (activations[i].layer == layer)
      list.push_back(measured(activations[i], facts.calibration.sites[i]));
  return list;
}

}  // namespace detent
