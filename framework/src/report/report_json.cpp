// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <set>

#include "base/version.hpp"
#include "quantize/measure.hpp"
#include "report/activation_json.hpp"
#include "report/evaluation_json.hpp"
#include "report/layer_rows.hpp"
#include "report/report.hpp"

namespace detent {
namespace {

json::Value optional_number(const std::optional<double>& v) {
  return v ? json::number(*v) : json::Value();
}

json::Value optional_text(const std::string& text) {
  return text.empty() ? json::Value() : json::Value(text);
}

// What is not a number in the layer: a weight that holds any is refused, so a run that ends has
// none there; those of its activations were left out.
json::Value non_finite(const LayerRow& row, const json::Array& activations) {
  if (!row.quantized && activations.empty()) return nullptr;
  std::uint64_t sum = 0;
  for (const json::Value& a : activations) {
    std::uint64_t n = 0;
    if (const json::Value* count = a.at_pointer("/non_finite")) count->to_uint(&n);
    sum += n;
  }
  return sum;
}

// The largest of the layer's activations.
json::Value clipped_fraction(const json::Array& activations) {
  std::optional<double> largest;
  for (const json::Value& a : activations) {
    double fraction = 0;
    const json::Value* value = a.at_pointer("/clipped_fraction");
    if (value != nullptr && value->to_double(&fraction))
      largest = std::max(largest.value_or(0), fraction);
  }
  return optional_number(largest);
}

// The errors of each quantized tensor of the layer.
json::Array errors(const LayerRow& row) {
  json::Array list;
  for (const auto& [name, result] : row.results) {
    const QuantizationError& e = result->error;
    json::Object o{{"tensor", name}, {"sqnr_db", json::number(e.sqnr_db())}};
    const auto& plain = result->rounding;
    o.set("rtn_sqnr_db", plain ? json::number(plain->sqnr_db()) : json::Value());
    o.set("gain_db", plain ? json::number(gain_db(e, *plain)) : json::Value());
    if (const auto& weighted = result->weighted) {
      o.set("weighted_sqnr_db", json::number(weighted->sqnr_db()));
      const auto& rounded = result->weighted_rounding;
      o.set("weighted_gain_db",
            rounded ? json::number(gain_db(*weighted, *rounded)) : json::Value());
    }
    o.set("mse", json::number(e.mse()));
    o.set("max_abs_error", json::number(e.max_abs_error));
    o.set("cosine", json::number(e.cosine()));
    list.push_back(std::move(o));
  }
  return list;
}

json::Value layer_to_json(const LayerRow& row, json::Array activations) {
  json::Object o{{"name", row.name},
                 {"type", row.type},
                 {"action", row.quantized ? "quantize" : "keep"},
                 {"reason", row.reason},
                 {"bits", static_cast<int>(row.bits)},
                 {"quantizer", optional_text(row.quantizer)},
                 {"observer", optional_text(row.observer)},
                 {"params", row.params},
                 {"sqnr_db", optional_number(row.sqnr_db)},
                 {"output_sqnr_db", optional_number(row.output_sqnr_db)},
                 {"rtn_sqnr_db", optional_number(row.rtn_sqnr_db)},
                 {"gain_db", optional_number(row.gain_db)},
                 {"weighted_sqnr_db", optional_number(row.weighted_sqnr_db)},
                 {"weighted_gain_db", optional_number(row.weighted_gain_db)},
                 {"mse", optional_number(row.mse)},
                 {"max_abs_error", optional_number(row.max_abs_error)},
                 {"cosine", optional_number(row.cosine)},
                 {"bytes_before", row.bytes_before},
                 {"bytes_after", row.bytes_after},
                 {"non_finite", non_finite(row, activations)}};
  if (row.scale)
    o.set("scale", json::Object{{"min", row.scale->min},
                                {"max", row.scale->max},
                                {"mean", row.scale->mean},
                                {"count", row.scale->count}});
  if (!activations.empty()) {
    o.set("clipped_fraction", clipped_fraction(activations));
    o.set("activation", std::move(activations));
  }
  o.set("tensors", json::Array(row.tensors.begin(), row.tensors.end()));
  if (row.quantized) o.set("errors", errors(row));
  return o;
}

json::Value totals(const RunFacts& facts) {
  SqnrSummary sqnr;
  for (const auto& [index, result] : facts.results) sqnr.add(result.error.sqnr_db());
  const Plan& plan = facts.plan;
  const double ratio = plan.bytes_after == 0 ? 1.0
                                             : static_cast<double>(plan.bytes_before) /
                                                   static_cast<double>(plan.bytes_after);
  return json::Object{{"tensors", plan.tensors.size()},
                      {"quantized", facts.results.size()},
                      {"bytes_before", plan.bytes_before},
                      {"bytes_after", plan.bytes_after},
                      {"ratio", ratio},
                      {"sqnr_db_mean", sqnr.empty() ? json::Value() : json::number(sqnr.mean())},
                      {"sqnr_db_min", sqnr.empty() ? json::Value() : json::number(sqnr.lowest())}};
}

std::string isolation_of(const Plugin& plugin) {
  return plugin.source != nullptr ? plugin.source->isolation() : "none";
}

std::set<const Plugin*> plugins_of(const RunFacts& facts) {
  std::set<const Plugin*> used;
  for (const TensorPlan& t : facts.plan.tensors) {
    if (!t.quantize) continue;
    used.insert(t.scheme->quantizer.plugin);
    if (t.scheme->observer) used.insert(t.scheme->observer->plugin);
  }
  for (const ActivationPlan& a : facts.plan.activations) {
    used.insert(a.scheme->quantizer.plugin);
    if (a.scheme->observer) used.insert(a.scheme->observer->plugin);
  }
  for (const StatisticPlan& s : facts.plan.statistics) used.insert(s.provider->plugin);
  for (const Output& o : facts.config->outputs) used.insert(o.serializer.plugin);
  for (const PluginUse& v : facts.config->validators) used.insert(v.plugin);
  return used;
}

// What they were kept in, all of them together: "none, process+landlock+seccomp".
std::string isolations(const RunFacts& facts) {
  std::set<std::string> all;
  for (const Plugin* p : plugins_of(facts)) all.insert(isolation_of(*p));
  return fmt::format("{}", fmt::join(all, ", "));
}

json::Value plugins_used(const RunFacts& facts) {
  std::map<std::string, const Plugin*> by_name;
  for (const Plugin* p : plugins_of(facts))
    by_name[fmt::format("{} {} {}", to_string(p->kind), p->id, isolation_of(*p))] = p;
  json::Array list;
  for (const auto& [name, p] : by_name)
    list.push_back(json::Object{{"id", p->id},
                                {"kind", to_string(p->kind)},
                                {"version", p->version},
                                {"vendor", p->vendor},
                                {"build", p->build},
                                {"path", p->path.string()},
                                {"path_kind", p->builtin ? "built_in" : "external"},
                                {"origin", p->origin},
                                {"sha256", p->sha256},
                                {"isolation", isolation_of(*p)}});
  return list;
}

// "LibTorch 2.13.0" -> "2.13.0"
std::string version_of(const std::string& runtime) {
  return runtime.substr(runtime.find_last_of(' ') + 1);
}

json::Value provenance(const RunFacts& facts) {
  json::Array inputs;
  for (const FileDigest& f : facts.inputs)
    inputs.push_back(json::Object{{"path", f.path.string()}, {"digest", f.digest}});
  return json::Object{{"detent", kVersion},
                      {"sdk_abi", fmt::format("{}.{}", DETENT_ABI_MAJOR, DETENT_ABI_MINOR)},
                      {"inputs", std::move(inputs)},
                      {"plugins", plugins_used(facts)},
                      {"libtorch", optional_text(version_of(facts.evaluation.runtime))},
                      {"isolation", isolations(facts)},
                      {"model_isolation", optional_text(facts.evaluation.isolation)},
                      {"threads", static_cast<std::int64_t>(facts.threads)}};
}

json::Value optional_truth(const std::optional<bool>& v) {
  return v ? json::Value(*v) : json::Value();
}

// What the findings of this severity say.
json::Array messages(const Validation& validation, int severity) {
  json::Array list;
  for (const Finding& f : validation.findings)
    if (f.severity == severity) list.push_back(describe(f));
  return list;
}

json::Value validation(const RunFacts& facts, const json::Value& totals) {
  constexpr double kMiB = 1U << 20U;
  json::Array ids;
  for (const PluginUse& v : facts.config->validators) ids.push_back(v.plugin->id);
  json::Array findings;
  for (const Finding& f : facts.validation.findings) findings.push_back(to_json(f));
  return json::Object{{"validators", std::move(ids)},
                      {"passed", facts.validation.passed()},
                      {"sqnr_db", *totals.at_pointer("/sqnr_db_mean")},
                      {"original_size_mb", static_cast<double>(facts.plan.bytes_before) / kMiB},
                      {"quantized_size_mb", static_cast<double>(facts.plan.bytes_after) / kMiB},
                      {"compression_ratio", *totals.at_pointer("/ratio")},
                      {"load_test_passed", optional_truth(facts.validation.intact)},
                      {"weight_range_valid", optional_truth(facts.validation.in_range)},
                      {"errors", messages(facts.validation, DETENT_FINDING_FAIL)},
                      {"warnings", messages(facts.validation, DETENT_FINDING_WARN)},
                      {"findings", std::move(findings)}};
}

template <class List, class F>
json::Array list_of(const List& items, F&& to) {
  json::Array list;
  for (const auto& item : items) list.push_back(to(item));
  return list;
}

json::Value timing(const StageTiming& t) {
  json::Object row{{"stage", t.stage}, {"seconds", t.seconds}, {"bytes", t.bytes}};
  if (t.bytes != 0 && t.seconds > 0)
    row.set("gb_per_s", std::round(static_cast<double>(t.bytes) / t.seconds / 1e6) / 1e3);
  return row;
}

}  // namespace

json::Value to_json(const Finding& f) {
  static constexpr const char* kSeverities[] = {"info", "warn", "fail"};
  json::Object o{{"validator", f.validator},
                 {"severity", kSeverities[std::min(std::max(f.severity, 0), 2)]},
                 {"metric", f.metric},
                 {"value", json::number(f.value)}};
  if (!std::isnan(f.threshold)) o.set("threshold", json::number(f.threshold));
  if (!f.target.empty()) o.set("tensor", f.target);
  if (!f.message.empty()) o.set("message", f.message);
  return o;
}

json::Value report_to_json(const RunFacts& facts) {
  json::Array layers;
  json::Array selected;
  json::Array skipped;
  for (const LayerRow& row :
       layer_rows(facts.plan, *facts.model, facts.results, facts.evaluation.local_sqnr_db)) {
    layers.push_back(layer_to_json(row, layer_activations_to_json(facts, row.name)));
    if (row.quantized)
      selected.push_back(row.name);
    else
      skipped.push_back(json::Object{{"name", row.name}, {"reason", row.reason}});
  }
  const json::Value sums = totals(facts);
  json::Object report{
      {"schema_version", kReportSchemaVersion},
      {"status", "success"},
      {"totals", sums},
      {"layers", std::move(layers)},
      {"selected", std::move(selected)},
      {"skipped", std::move(skipped)},
      {"calibration", calibration_to_json(facts)},
      {"evaluation", evaluation_to_json(facts)},
      {"validation", validation(facts, sums)},
      {"warnings", list_of(facts.warnings, [](const Warning& w) { return to_json(w); })},
      {"notes", list_of(facts.notes, [](const Warning& w) { return to_json(w); })},
      {"outputs", list_of(facts.outputs,
                          [](const OutputFacts& o) {
                            return json::Object{{"path", o.path.string()},
                                                {"serializer", o.serializer},
                                                {"bytes", o.bytes},
                                                {"digest", o.digest}};
                          })},
      {"timings", list_of(facts.timings, timing)},
      {"peak_memory_bytes", facts.peak_memory_bytes},
      {"provenance", provenance(facts)},
      {"config", effective_config(*facts.config)},
      {"plan", plan_to_json(facts.plan, *facts.model)}};
  return report;
}

}  // namespace detent
