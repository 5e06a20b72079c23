// SPDX-License-Identifier: Apache-2.0
#include "calibrate/calibrate.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <limits>

#include "calibrate/statistics.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace {

constexpr std::uint64_t kFewSamples = 50;

// The values of a tensor as T; none when there is no such tensor.
template <class T>
std::vector<T> values_of(const TensorStore& store, const char* name) {
  std::vector<T> values;
  const HostTensor* tensor = store.find(name);
  if (tensor != nullptr)
    sdk::TensorView(tensor->view()).for_each(-1, [&](auto v, std::int64_t) {
      values.push_back(static_cast<T>(v));
    });
  return values;
}

// Of symmetric codes: those that cannot be negative have their zero in the middle.
std::int32_t middle_of(const detent_qspec& spec) {
  return spec.qmin >= 0 ? static_cast<std::int32_t>((spec.qmax + 1) / 2) : 0;
}

ActivationParams params_of(const ActivationPlan& plan, const TensorStore& qparams) {
  const bool symmetric = plan.target.spec.symmetric != 0;
  ActivationParams params;
  params.target = plan.target;
  params.scale = values_of<float>(qparams, "scale");
  if (!symmetric) params.zero_point = values_of<std::int32_t>(qparams, "zero_point");
  if (symmetric) params.zero_point.resize(params.scale.size(), middle_of(plan.target.spec));
  const bool one = plan.target.spec.granularity == DETENT_PER_TENSOR;
  const bool right = params.zero_point.size() == params.scale.size() && !params.scale.empty() &&
                     (!one || params.scale.size() == 1);
  if (right) return params;
  const std::string& id = plan.scheme->observer->plugin->id;
  throw Error(ErrorCode::plugin,
              fmt::format("observer \"{}\" on \"{}\" broke its contract: {} scales and {} zero "
                          "points for a target {}",
                          id, plan.site, params.scale.size(), params.zero_point.size(),
                          one ? "per tensor" : "per channel"),
              "this is a mistake in the plugin: report it to its vendor",
              {.layer = plan.layer, .plugin = id});
}

// The real number that the code `q + offset` stands for.
double real_of(const ActivationParams& p, std::size_t i, std::int64_t q, double offset) {
  return (static_cast<double>(q) - p.zero_point[i] + offset) * double{p.scale[i]};
}

void set_range(const TensorStore& qparams, SiteResult& result) {
  result.range_min = values_of<double>(qparams, "range_min");
  result.range_max = values_of<double>(qparams, "range_max");
  const ActivationParams& p = result.params;
  const bool given =
      result.range_min.size() == p.scale.size() && result.range_max.size() == p.scale.size();
  if (given) return;
  result.range_min.clear();
  result.range_max.clear();
  for (std::size_t i = 0; i < p.scale.size(); ++i) {
    result.range_min.push_back(real_of(p, i, p.target.spec.qmin, 0));
    result.range_max.push_back(real_of(p, i, p.target.spec.qmax, 0));
  }
}

// A value half a step beyond the last code is rounded to it like any other.
std::optional<double> clipped(const ActivationParams& p, const ValueTally& tally) {
  if (p.scale.size() != 1) return std::nullopt;
  return tally.fraction_outside(real_of(p, 0, p.target.spec.qmin, -0.5),
                                real_of(p, 0, p.target.spec.qmax, 0.5));
}

SiteResult conclude_site(const ActivationPlan& plan, const SiteObservation& seen) {
  auto qparams = std::make_shared<TensorStore>();
  seen.observer.compute_qparams(plan.target, *qparams);
  SiteResult result;
  result.params = params_of(plan, *qparams);
  set_range(*qparams, result);
  result.min = seen.tally.min();
  result.max = seen.tally.max();
  result.observed = seen.tally.finite();
  result.non_finite = seen.tally.non_finite();
  result.clipped_fraction = clipped(result.params, seen.tally);
  result.qparams = std::move(qparams);
  return result;
}

// Whether an observer of the same activation says what is to be said of its values.
bool is_observed(const Plan& plan, const StatisticPlan& statistic) {
  return std::any_of(plan.activations.begin(), plan.activations.end(), [&](const auto& a) {
    return !a.dynamic && a.weight == statistic.weight && a.side == Side::input;
  });
}

class Warner {
 public:
  Warner(const Config& config, Calibration& calibration)
      : config_(config), calibration_(calibration) {}

  void judge(const ActivationPlan& plan, const SiteResult& result) {
    const auto warn = [&](const char* code, std::string message) {
      calibration_.warnings.push_back(
          {code,
           std::move(message),
           {.layer = plan.layer, .plugin = plan.scheme->observer->plugin->id}});
    };
    const char* const what = to_string(plan.side);
    if (result.non_finite > 0)
      warn("non_finite_activations",
           fmt::format("\"{}\": {} of {} values of its {} are NaN or infinite, and were left out",
                       plan.site, result.non_finite, result.non_finite + result.observed, what));
    if (result.clipped_fraction.value_or(0) > config_.clip_warning)
      warn("clipped_activations",
           fmt::format("\"{}\": {:.3g} % of the values of its {} lie outside the chosen range "
                       "[{:.6g}, {:.6g}]",
                       plan.site, *result.clipped_fraction * 100, what, result.range_min.front(),
                       result.range_max.front()));
  }

  void judge(const StatisticPlan& plan, const StatisticResult& result) {
    if (result.non_finite == 0) return;
    calibration_.warnings.push_back(
        {"non_finite_activations",
         fmt::format("\"{}\": {} of {} values of its input are NaN or infinite, and were left out",
                     plan.site, result.non_finite, result.non_finite + result.observed),
         {.layer = plan.layer, .plugin = plan.provider->plugin->id}});
  }

  void judge_samples() {
    const std::uint64_t n = calibration_.samples_used;
    if (n >= kFewSamples) return;
    calibration_.warnings.push_back(
        {"few_samples", fmt::format("Low calibration sample count ({}). Recommend at least 100 "
                                    "samples for reliable calibration.",
                                    n)});
  }

 private:
  const Config& config_;
  Calibration& calibration_;
};

}  // namespace

Calibration conclude(const Config& config, const Plan& plan, const Observations& observations) {
  Calibration calibration;
  calibration.samples_requested = static_cast<std::uint64_t>(config.calibration_samples);
  calibration.samples_used = observations.samples;
  calibration.batches = observations.batches;
  calibration.passes = observations.passes;
  for (const ActivationPlan& a : plan.activations) {
    SiteResult result;
    result.params.dynamic = a.dynamic;
    result.params.target = a.target;
    calibration.sites.push_back(std::move(result));
  }
  Warner warner(config, calibration);
  for (const SiteObservation& seen : observations.sites) {
    if (seen.statistic) {
      const StatisticPlan& s = plan.statistics[seen.index];
      calibration.statistics.push_back(conclude_statistic(s, seen));
      if (!is_observed(plan, s)) warner.judge(s, calibration.statistics.back());
    } else {
      const ActivationPlan& a = plan.activations[seen.index];
      SiteResult& result = calibration.sites[seen.index];
      result = conclude_site(a, seen);
      warner.judge(a, result);
    }
  }
  if (!observations.sites.empty()) warner.judge_samples();
  return calibration;
}

}  // namespace detent
