// SPDX-License-Identifier: Apache-2.0
#include "serialize/metadata.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <set>

#include "base/dtype.hpp"
#include "base/version.hpp"
#include "quantize/measure.hpp"
#include "serialize/configuration.hpp"

namespace detent {
namespace {

json::Value architecture(const Plan& plan, const Model& model) {
  json::Object layers;
  for (const Layer& layer : plan.layers) {
    json::Object shapes;
    for (const std::size_t t : layer.tensors) {
      const TensorInfo& info = model.tensors()[t];
      shapes.append({info.param, {}, json::Array(info.shape.begin(), info.shape.end())});
    }
    layers.append(
        {layer.name, {}, json::Object{{"type", layer.type}, {"shapes", std::move(shapes)}}});
  }
  return json::Object{{"layers", std::move(layers)}};
}

json::Value aliases(const Model& model) {
  json::Object names;
  for (const auto& [alias, name] : model.aliases()) names.append({alias, {}, name});
  return names;
}

json::Value plugin_stamp(const Plugin& plugin) {
  return json::Object{{"id", plugin.id},
                      {"kind", to_string(plugin.kind)},
                      {"version", plugin.version},
                      {"sha256", plugin.sha256},
                      // Not the path: equal plugins give equal bytes wherever they were found.
                      {"path_kind", plugin.builtin ? "built_in" : "external"}};
}

json::Value versions(const Plan& plan, const Plugin& serializer, const std::string& runtime) {
  std::set<std::pair<std::string, const Plugin*>> used{{serializer.id, &serializer}};
  for (const TensorPlan& t : plan.tensors) {
    if (!t.quantize) continue;
    used.emplace(t.scheme->quantizer.plugin->id, t.scheme->quantizer.plugin);
    if (t.scheme->observer)
      used.emplace(t.scheme->observer->plugin->id, t.scheme->observer->plugin);
  }
  for (const ActivationPlan& a : plan.activations) {
    used.emplace(a.scheme->quantizer.plugin->id, a.scheme->quantizer.plugin);
    if (a.scheme->observer)
      used.emplace(a.scheme->observer->plugin->id, a.scheme->observer->plugin);
  }
  json::Array plugins;
  for (const auto& [id, plugin] : used) plugins.push_back(plugin_stamp(*plugin));
  return json::Object{{"detent", kVersion},
                      {"sdk_abi", fmt::format("{}.{}", DETENT_ABI_MAJOR, DETENT_ABI_MINOR)},
                      {"libtorch", runtime.empty() ? json::Value() : json::Value(runtime)},
                      {"plugins", std::move(plugins)}};
}

std::vector<std::string> stored_names(const Plan& plan, const Model& model) {
  std::vector<std::string> names;
  for (const TensorPlan& t : plan.tensors) {
    if (!t.quantize) names.push_back(model.tensors()[t.tensor].name);
    for (const StoredName& s : t.stored) names.push_back(s.name);
  }
  for (const ActivationPlan& a : plan.activations)
    for (const StoredName& s : a.stored) names.push_back(s.name);
  return names;
}

// Four decimals: at most ten characters for every value that a float32 weight can give.
json::Value rounded(double db) {
  return json::number(std::isfinite(db) ? std::round(db * 1e4) / 1e4 : db);
}
constexpr double kWidest = -8888.8888;

PluginStamp stamp(const PluginUse& use) {
  return {use.plugin->id, use.plugin->version, use.params};
}

json::Value quantization(const MetadataInput& input) {
  std::vector<TensorRecord> records;
  for (const TensorPlan& t : input.plan.tensors)
    if (t.quantize) records.push_back(make_record(t, input.model.tensors()[t.tensor]));
  std::vector<ActivationRecord> activations;
  for (const ActivationPlan& a : input.plan.activations)
    activations.push_back(make_record(a, input.plan, input.model));
  json::Value all = to_json(records, activations);
  all.if_object()->set("calibration_samples", input.calibration_samples);
  return all;
}

}  // namespace

TensorRecord make_record(const TensorPlan& plan, const TensorInfo& info) {
  TensorRecord r;
  r.name = info.name;
  r.layer = info.layer;
  r.layer_type = plan.input.layer_type;
  r.dtype = info.dtype;
  r.shape = info.shape;
  r.scheme.quantizer = stamp(plan.scheme->quantizer);
  if (plan.scheme->observer) r.scheme.observer = stamp(*plan.scheme->observer);
  r.scheme.target = plan.quantizer.target;
  r.scheme.meta = plan.quantizer.meta;
  for (const PlannedTensor& output : plan.quantizer.outputs) {
    r.scheme.outputs.push_back(output.name);
    if (output.name != "qweight") continue;
    r.scheme.code_dtype = output.dtype;
    r.code_shape = output.shape;
  }
  return r;
}

ActivationRecord make_record(const ActivationPlan& plan, const Plan& whole, const Model& model) {
  ActivationRecord r;
  r.site = plan.site;
  r.layer = plan.layer;
  const auto weight = static_cast<std::size_t>(model.find(plan.weight) - model.tensors().data());
  r.layer_type = whole.tensors[weight].input.layer_type;
  r.side = plan.side;
  r.quantizer = stamp(plan.scheme->quantizer);
  if (!plan.dynamic) r.observer = stamp(*plan.scheme->observer);
  r.target = plan.target;
  return r;
}

std::vector<std::pair<std::string, std::string>> early_metadata(const MetadataInput& input) {
  const Model& model = input.model;
  std::vector<std::pair<std::string, std::string>> all{
      {kQuantizationKey, json::dump(quantization(input))},
      {kArchitectureKey, json::dump(architecture(input.plan, model))},
      {kVersionsKey, json::dump(versions(input.plan, *input.serializer.plugin, input.runtime))},
      {kConfigurationKey, json::dump(recorded_configuration(input.config, input.serializer))}};
  std::set<std::string> ours{kQuantizationKey, kArchitectureKey, kVersionsKey, kConfigurationKey,
                             kMetricsKey,      kDigestsKey,      "format"};
  if (!model.aliases().empty()) {
    all.emplace_back(kAliasesKey, json::dump(aliases(model)));
    ours.insert(kAliasesKey);
  }
  for (const auto& [key, text] : model.metadata())
    if (!ours.contains(key)) all.emplace_back(key, json::quote(text));
  return all;
}

std::string metrics_metadata(const Plan& plan, const SqnrOf& sqnr) {
  json::Object per_tensor;
  SqnrSummary summary;
  for (const auto& [name, db] : sqnr) {
    per_tensor.append({name, {}, rounded(db)});
    summary.add(db);
  }
  const double ratio = plan.bytes_after == 0 ? 1.0
                                             : static_cast<double>(plan.bytes_before) /
                                                   static_cast<double>(plan.bytes_after);
  return json::dump(
      json::Object{{"bytes_before", plan.bytes_before},
                   {"bytes_after", plan.bytes_after},
                   {"compression_ratio", std::round(ratio * 1e4) / 1e4},
                   {"sqnr_db_mean", summary.empty() ? json::Value() : rounded(summary.mean())},
                   {"sqnr_db_min", summary.empty() ? json::Value() : rounded(summary.lowest())},
                   {"sqnr_db", std::move(per_tensor)}});
}

std::string digests_metadata(const DigestOf& digests) {
  json::Object tensors;
  for (const auto& [name, hex] : digests) tensors.append({name, {}, hex});
  return json::dump(json::Object{{"algorithm", "xxh3-128"}, {"tensors", std::move(tensors)}});
}

SqnrOf widest_sqnr(const Plan& plan, const Model& model) {
  SqnrOf widest;
  for (const TensorPlan& t : plan.tensors)
    if (t.quantize) widest[model.tensors()[t.tensor].name] = kWidest;
  return widest;
}

DigestOf widest_digests(const Plan& plan, const Model& model) {
  DigestOf widest;
  for (const std::string& name : stored_names(plan, model)) widest[name] = std::string(32, '0');
  return widest;
}

}  // namespace detent
