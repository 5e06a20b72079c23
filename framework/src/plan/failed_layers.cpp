// SPDX-License-Identifier: Apache-2.0
#include "plan/failed_layers.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "config/plugin_uses.hpp"

namespace detent {
namespace {

// "fc1" of "fc1.input", what a quantizer of activations is asked about.
bool is_side_of(const std::string& site, const std::string& layer) {
  return site == layer + ".input" || site == layer + ".output";
}

}  // namespace

// Whoever else failed would fail again without the layer.
bool FailedLayers::is_of_a_layer(const Error& error) const {
  const std::string& id = error.problems()[0].where.plugin;
  bool works_on_layers = false;
  for (const auto& use : plugin_uses(config_)) {
    if (use.use->plugin == nullptr || use.use->plugin->id != id) continue;
    if (use.kind == PluginKind::serializer || use.kind == PluginKind::validator) return false;
    works_on_layers = true;
  }
  for (const auto& [statistic, use] : config_.statistic_providers)
    works_on_layers |= use.plugin->id == id;
  return works_on_layers;
}

std::string FailedLayers::layer_of(const Where& where, const Plan* plan) const {
  if (!where.tensor.empty()) {
    const TensorInfo* tensor = model_.find(where.tensor);
    return tensor != nullptr ? tensor->layer : "";
  }
  if (plan != nullptr) {
    for (const ActivationPlan& a : plan->activations)
      if (a.site == where.layer) return a.layer;
    for (const StatisticPlan& s : plan->statistics)
      if (s.site == where.layer) return s.layer;
  }
  const auto& all = model_.tensors();
  const auto it = std::find_if(all.begin(), all.end(), [&](const TensorInfo& t) {
    return t.layer == where.layer || is_side_of(where.layer, t.layer);
  });
  return it != all.end() ? it->layer : "";
}

bool FailedLayers::take(const Error& error, const Plan* plan) {
  if (config_.on_plugin_failure != OnPluginFailure::skip_layer) return false;
  if (error.code() != ErrorCode::plugin || !is_of_a_layer(error)) return false;
  const Problem& problem = error.problems()[0];
  const std::string layer = layer_of(problem.where, plan);
  if (layer.empty()) return false;
  if (!kept_.emplace(layer, "its plugin failed: " + problem.message).second) return false;
  warnings_.push_back({"plugin_failed",
                       fmt::format("\"{}\" is kept as it is: {}", layer, problem.message),
                       {.layer = layer, .plugin = problem.where.plugin}});
  return true;
}

std::vector<Warning> FailedLayers::warnings() const { return warnings_; }

}  // namespace detent
