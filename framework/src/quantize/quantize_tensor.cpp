// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantize_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "json/parse.hpp"
#include "plan/statistics.hpp"
#include "quantize/findings.hpp"
#include "quantize/rounding.hpp"

namespace detent {

void refuse_non_finite(const TensorInfo& info, const NonFinite& found) {
  if (found.count == 0) return;
  throw Error(
      ErrorCode::quantization,
      fmt::format("\"{}\" holds {} value{} that {} not finite (NaN or Inf), the first at "
                  "element {}",
                  info.name, found.count, found.count == 1 ? "" : "s",
                  found.count == 1 ? "is" : "are", found.first),
      fmt::format("repair the model, or keep it: {{\"match\": {{\"name\": {}}}, \"keep\": true}}",
                  json::quote(info.name)),
      {.tensor = info.name, .layer = info.layer});
}

namespace {

// Scale and zero point of the rule's observer, which has seen the weight.
void observe(const TensorScheme& scheme, const QuantTarget& target, const HostTensor& weight,
             const std::optional<Importance>& importance, ThreadPool& pool, TensorStore& stats,
             const std::vector<std::string>& required) {
  const Plugin& plugin = *scheme.observer->plugin;
  Observer observer(plugin, pool,
                    {.params = scheme.observer->params,
                     .target = weight.name(),
                     .role = DETENT_ROLE_WEIGHT,
                     .qspec = &target});
  // Which an observer that requires the statistic takes: the plan has looked.
  if (importance && lists(plugin.requirements, kSecondMoment)) {
    observer.observe_weighted(weight.read_only(), importance->view());
  } else {
    observer.observe(weight.read_only());
  }
  observer.compute_qparams(target, stats);
  for (const std::string& stat : required) observer.compute_stat(stat, stats);
}

void measure_plain(const TensorPlan& plan, const TensorInfo& info, const HostTensor& weight,
                   const std::optional<Importance>& importance, ThreadPool& pool,
                   TensorResult& result) {
  if (is_plain_rounding(plan)) {
    result.rounding = result.error;
    result.weighted_rounding = result.weighted;
    return;
  }
  const QuantTarget& target = *plan.quantizer.target;
  result.rounding = measure_rounding(target, info.shape, info.dtype, weight.bytes(), pool);
  if (importance)
    result.weighted_rounding =
        measure_rounding(target, info.shape, info.dtype, weight.bytes(), pool, &*importance);
}

}  // namespace

bool is_plain_rounding(const TensorPlan& plan) {
  return plan.quantizer.target && says_plain_rounding(plan) &&
         can_round_plainly(*plan.quantizer.target, plan.input.shape);
}

std::uint64_t count_from_meta(const TensorStore& out, const char* key) {
  std::uint64_t n = 0;
  if (const std::string* text = out.meta(key)) json::parse(*text).to_uint(&n);
  return n;
}

TensorResult quantize_tensor(const TensorPlan& plan, const TensorInfo& info,
                             const HostTensor& weight, ThreadPool& pool, TensorStore& out,
                             const InputStatistics& inputs) {
  refuse_non_finite(info, count_non_finite(info.dtype, weight.bytes(), pool));
  const std::optional<Importance> importance = importance_of(info, inputs);
  TensorStore stats;
  if (plan.scheme->observer)
    observe(*plan.scheme, *plan.quantizer.target, weight, importance, pool, stats,
            plan.quantizer.required_stats);
  lend_statistics(plan.quantizer.required_input_stats, inputs, stats);
  Quantizer quantizer = make_quantizer(*plan.scheme, info.name, pool);
  quantizer.plan(plan.input);
  quantizer.quantize(weight.read_only(), stats, out);

  HostTensor back(info.name, DETENT_F32, info.shape);
  quantizer.dequantize(out, back.view());
  std::span<const float> values(reinterpret_cast<const float*>(back.bytes().data()), back.numel());
  TensorResult result;
  result.error = measure_error(info.dtype, weight.bytes(), values, pool);
  if (importance)
    result.weighted = measure_weighted(info.dtype, weight.bytes(), values, *importance, pool);
  if (plan.quantizer.target) measure_plain(plan, info, weight, importance, pool, result);
  ScaleTotals scales;
  scales.add(out);
  result.scale = scales.summary();
  result.dequantized_non_finite = count_non_finite(DETENT_F32, back.bytes(), pool).count;
  result.overflows = count_from_meta(out, "overflow_count");
  return result;
}

}  // namespace detent
