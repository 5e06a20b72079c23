// SPDX-License-Identifier: Apache-2.0
#include "quantize/findings.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "json/parse.hpp"
#include "plan/refuse_scheme.hpp"

namespace detent {
namespace {

constexpr double kNoGain = 0.005;  // dB: "0.00" in print

void remark_on_overflow(const TensorPlan& plan, const TensorInfo& info, const TensorResult& result,
                        Remarks& remarks) {
  if (result.overflows == 0) return;
  remarks.warnings.push_back(
      {"overflow",
       fmt::format("\"{}\": {} values are beyond the range of the target type", info.name,
                   result.overflows),
       {.tensor = info.name, .layer = info.layer, .plugin = plan.scheme->quantizer.plugin->id}});
}

// Why an exact result is what it should be; empty when it is none.
std::string why_exact(const TensorPlan& plan, const TensorResult& result) {
  if (result.error.signal == 0) return "all of them are zero";
  if (result.rounding && result.rounding->noise == 0) return "rounding holds them exactly";
  if (plan.bytes_after < plan.bytes_before) return "the codes hold them exactly";
  return "";
}

void remark_on_effect(const TensorPlan& plan, const TensorInfo& info, const TensorResult& result,
                      Remarks& remarks) {
  const std::string& id = plan.scheme->quantizer.plugin->id;
  const Where where{.tensor = info.name, .layer = info.layer, .plugin = id};
  const QuantizationError& error = result.error;
  if (error.elements == 0) return;
  if (error.noise != 0) {
    if (error.restored == 0)
      remarks.warnings.push_back(
          {"all_zero", fmt::format("\"{}\": every value came back from \"{}\" as 0", info.name, id),
           where});
    return;
  }
  const std::string why = why_exact(plan, result);
  if (!why.empty()) {
    remarks.notes.push_back(
        {"exact", fmt::format("\"{}\": every value came back as it was: {}", info.name, why),
         where});
    return;
  }
  remarks.warnings.push_back(
      {"no_effect",
       fmt::format("\"{}\": \"{}\" had no effect: every value came back as it was, and {} bytes "
                   "became {}",
                   info.name, id, plan.bytes_before, plan.bytes_after),
       where});
}

bool quantizer_only_rounds(const TensorPlan& plan) {
  for (const auto& [key, value] : plan.quantizer.meta) {
    if (key != "algorithm") continue;
    const json::Value algorithm = json::parse(value);
    return algorithm.if_string() != nullptr && *algorithm.if_string() == "rtn";
  }
  return false;
}

bool observer_takes_extremes(const TensorScheme& scheme) {
  return !scheme.observer || lists(scheme.observer->plugin->provides, "range:minmax");
}

// Of the layers of one rule.
struct Gains {
  std::set<std::size_t> layers;
  const TensorScheme* scheme = nullptr;
  bool any = false;  // one of them is better, or worse

  void add(const TensorPlan& plan, const TensorResult& result) {
    layers.insert(plan.layer);
    scheme = plan.scheme;
    any = any || std::fabs(gain_db(result.error, *result.rounding)) >= kNoGain;
  }
};

std::string who(const TensorScheme& scheme) {
  std::string text = fmt::format("\"{}\"", scheme.quantizer.plugin->id);
  if (scheme.observer) text += fmt::format(" with \"{}\"", scheme.observer->plugin->id);
  return text;
}

}  // namespace

void remark_on_tensor(const TensorPlan& plan, const TensorInfo& info, const TensorResult& result,
                      Remarks& remarks) {
  remark_on_overflow(plan, info, result, remarks);
  remark_on_effect(plan, info, result, remarks);
}

bool says_plain_rounding(const TensorPlan& plan) {
  return quantizer_only_rounds(plan) && observer_takes_extremes(*plan.scheme);
}

void remark_on_gain(const Config& config, const Plan& plan,
                    const std::map<std::size_t, TensorResult>& results, Remarks& remarks) {
  std::map<int, Gains> by_rule;
  for (const TensorPlan& t : plan.tensors) {
    const auto result = results.find(t.tensor);
    if (result == results.end() || !result->second.rounding) continue;
    if (result->second.rounding->noise == 0 || says_plain_rounding(t)) continue;
    by_rule[t.rule].add(t, result->second);
  }
  for (const auto& [rule, gains] : by_rule) {
    if (gains.any) continue;
    const std::size_t n = gains.layers.size();
    const Rule& source = config.rules[static_cast<std::size_t>(rule)];
    Where where = where_in(config, source.pointer + "/weight", gains.scheme->quantizer.position);
    where.plugin = gains.scheme->quantizer.plugin->id;
    remarks.warnings.push_back(
        {"no_gain",
         fmt::format(
             "gain 0.00 dB over rounding to nearest on {0}/{0} layers: {1} did nothing that "
             "plain rounding does not",
             n, who(*gains.scheme)),
         where});
  }
}

}  // namespace detent
