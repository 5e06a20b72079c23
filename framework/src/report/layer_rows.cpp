// SPDX-License-Identifier: Apache-2.0
#include "report/layer_rows.hpp"

#include <algorithm>

namespace detent {
namespace {

// The tensor that speaks for the layer: a quantized one before a kept one, then the largest.
bool speaks_before(const TensorPlan& a, const TensorPlan& b) {
  if (a.quantize != b.quantize) return a.quantize;
  return a.bytes_before > b.bytes_before;
}

void lower(std::optional<double>& of, double value) { of = std::min(of.value_or(value), value); }
void raise(std::optional<double>& of, double value) { of = std::max(of.value_or(value), value); }

void add_result(LayerRow& row, const TensorResult& result, bool speaker) {
  lower(row.sqnr_db, result.error.sqnr_db());
  raise(row.max_abs_error, result.error.max_abs_error);
  raise(row.mse, result.error.mse());
  lower(row.cosine, result.error.cosine());
  if (result.rounding) {
    lower(row.rtn_sqnr_db, result.rounding->sqnr_db());
    lower(row.gain_db, gain_db(result.error, *result.rounding));
  }
  if (result.weighted) lower(row.weighted_sqnr_db, result.weighted->sqnr_db());
  if (result.weighted && result.weighted_rounding)
    lower(row.weighted_gain_db, gain_db(*result.weighted, *result.weighted_rounding));
  if (speaker) row.scale = result.scale;
  row.results.emplace_back(row.tensors.back(), &result);
}

// Of the layer's first site of each side: a layer has one, but for weights without a module.
std::string describe_activations(const Plan& plan, const std::string& layer) {
  std::string text;
  for (const Side side : {Side::input, Side::output}) {
    const auto at =
        std::find_if(plan.activations.begin(), plan.activations.end(),
                     [&](const ActivationPlan& a) { return a.layer == layer && a.side == side; });
    if (at == plan.activations.end()) continue;
    text += (text.empty() ? "" : ", ") + std::string(to_string(side)) + " " +
            (at->dynamic ? "dynamic" : at->scheme->observer->plugin->id);
  }
  return text;
}

}  // namespace

std::vector<LayerRow> layer_rows(const Plan& plan, const Model& model,
                                 const std::map<std::size_t, TensorResult>& results,
                                 const std::map<std::string, double>& local_sqnr_db) {
  std::vector<LayerRow> rows;
  for (const Layer& layer : plan.layers) {
    const std::size_t speaker = *std::min_element(
        layer.tensors.begin(), layer.tensors.end(), [&](std::size_t a, std::size_t b) {
          return speaks_before(plan.tensors[a], plan.tensors[b]);
        });
    const TensorPlan& main = plan.tensors[speaker];
    LayerRow row;
    row.name = layer.name;
    row.type = layer.type;
    row.params = layer.params;
    row.quantized = main.quantize;
    row.reason = main.reason;
    row.bits = main.bits;
    if (main.quantize) {
      row.quantizer = main.scheme->quantizer.plugin->id;
      if (main.scheme->observer) row.observer = main.scheme->observer->plugin->id;
    }
    row.activations = describe_activations(plan, layer.name);
    for (const std::size_t t : layer.tensors) {
      row.bytes_before += plan.tensors[t].bytes_before;
      row.bytes_after += plan.tensors[t].bytes_after;
      row.tensors.push_back(model.tensors()[t].name);
      if (const auto it = results.find(t); it != results.end())
        add_result(row, it->second, t == speaker);
      if (const auto it = local_sqnr_db.find(row.tensors.back()); it != local_sqnr_db.end())
        row.output_sqnr_db = std::min(row.output_sqnr_db.value_or(it->second), it->second);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace detent
