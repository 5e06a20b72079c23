// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string_view>

#include "base/dtype.hpp"
#include "report/activation_json.hpp"
#include "report/report.hpp"

namespace detent {

json::Value to_json(const Where& w) {
  json::Object o;
  const auto set = [&](const char* key, const std::string& text) {
    if (!text.empty()) o.set(key, text);
  };
  set("file", w.file);
  if (w.line > 0) o.set("line", w.line), o.set("column", w.column);
  set("pointer", w.pointer);
  set("tensor", w.tensor);
  set("layer", w.layer);
  set("plugin", w.plugin);
  return o;
}

json::Value to_json(const Warning& w) {
  return json::Object{{"code", w.code}, {"message", w.message}, {"where", to_json(w.where)}};
}

namespace {

json::Value plugin_id(const PluginUse* use) {
  return use != nullptr ? json::Value(use->plugin->id) : json::Value();
}

// Model::aliases() by the tensor that they name.
using AliasesOf = std::multimap<std::string_view, std::string_view>;

json::Array aliases_of(const std::string& name, const AliasesOf& aliases) {
  json::Array names;
  const auto [begin, end] = aliases.equal_range(name);
  for (auto it = begin; it != end; ++it) names.push_back(std::string(it->second));
  return names;
}

json::Value tensor_to_json(const TensorPlan& t, const Plan& plan, const Model& model,
                           const AliasesOf& aliases) {
  const TensorInfo& info = model.tensors()[t.tensor];
  const TensorScheme* s = t.scheme;
  return json::Object{
      {"name", info.name},
      {"aliases", aliases_of(info.name, aliases)},
      {"layer", info.layer},
      {"type", plan.layers[t.layer].type},
      {"dtype", dtype_name(info.dtype)},
      {"shape", json::Array(info.shape.begin(), info.shape.end())},
      {"action", t.quantize ? "quantize" : "keep"},
      {"reason", t.reason},
      {"rule", t.rule >= 0 ? json::Value(t.rule) : json::Value()},
      {"quantizer", plugin_id(s != nullptr ? &s->quantizer : nullptr)},
      {"observer", plugin_id(s != nullptr && s->observer ? &*s->observer : nullptr)},
      {"bits", static_cast<int>(t.bits)},
      {"bytes_before", t.bytes_before},
      {"bytes_after", t.bytes_after}};
}

}  // namespace

json::Value plan_to_json(const Plan& plan, const Model& model) {
  json::Array tensors;
  std::uint64_t quantized = 0;
  AliasesOf aliases;
  for (const auto& [alias, name] : model.aliases()) aliases.emplace(name, alias);
  for (const TensorPlan& t : plan.tensors) {
    tensors.push_back(tensor_to_json(t, plan, model, aliases));
    quantized += t.quantize ? 1 : 0;
  }
  json::Array warnings;
  for (const Warning& w : plan.warnings) warnings.push_back(to_json(w));
  json::Array notes;
  for (const Warning& n : plan.notes) notes.push_back(to_json(n));
  const double ratio = plan.bytes_after == 0 ? 1.0
                                             : static_cast<double>(plan.bytes_before) /
                                                   static_cast<double>(plan.bytes_after);
  return json::Object{{"tensors", std::move(tensors)},
                      {"activations", activations_to_json(plan)},
                      {"skipped_activations", skipped_activations_to_json(plan)},
                      {"statistics", statistics_to_json(plan)},
                      {"totals", json::Object{{"tensors", plan.tensors.size()},
                                              {"quantized", quantized},
                                              {"bytes_before", plan.bytes_before},
                                              {"bytes_after", plan.bytes_after},
                                              {"ratio", ratio}}},
                      {"peak_memory_bytes", plan.peak_memory_bytes},
                      {"warnings", std::move(warnings)},
                      {"notes", std::move(notes)}};
}

}  // namespace detent
