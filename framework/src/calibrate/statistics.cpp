// SPDX-License-Identifier: Apache-2.0
#include "calibrate/statistics.hpp"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "plan/statistics.hpp"

namespace detent {
namespace {

void refuse_without_values(const StatisticPlan& plan, const SiteObservation& seen) {
  if (seen.tally.finite() > 0) return;
  throw Error(
      ErrorCode::quantization,
      fmt::format("observer \"{}\" on \"{}\": no data observed: the calibration data hold no "
                  "finite value of its input",
                  plan.provider->plugin->id, plan.site),
      fmt::format("give data that reach the layer, or quantize \"{}\" without what needs "
                  "\"{}\"",
                  plan.weight, plan.statistic),
      {.tensor = plan.weight, .layer = plan.layer, .plugin = plan.provider->plugin->id});
}

// What is wrong with the statistic that weighs elements of weights; empty when nothing is.
std::string wrong_in_second_moment(const TensorStore& values) {
  const HostTensor* mean = values.find("mean_square");
  if (mean == nullptr) return "there is no \"mean_square\"";
  if (mean->dtype() != DETENT_F64 || mean->shape().size() != 1)
    return "\"mean_square\" is no list of float64";
  for (std::uint64_t i = 0; i < mean->numel(); ++i) {
    double v = 0;
    std::memcpy(&v, mean->bytes().data() + i * sizeof v, sizeof v);
    if (!std::isfinite(v) || v < 0) return fmt::format("the mean square of channel {} is {}", i, v);
  }
  return {};
}

}  // namespace

StatisticResult conclude_statistic(const StatisticPlan& plan, const SiteObservation& seen) {
  refuse_without_values(plan, seen);
  auto values = std::make_shared<TensorStore>();
  seen.observer.compute_stat(plan.statistic, *values);
  const std::string wrong =
      plan.statistic == kSecondMoment ? wrong_in_second_moment(*values) : std::string();
  if (!wrong.empty())
    throw Error(ErrorCode::plugin,
                fmt::format("observer \"{}\" on \"{}\" broke its contract: {}: {}",
                            plan.provider->plugin->id, plan.site, plan.statistic, wrong),
                "this is a mistake in the plugin: report it to its vendor",
                {.layer = plan.layer, .plugin = plan.provider->plugin->id});
  return {std::move(values), seen.tally.finite(), seen.tally.non_finite()};
}

}  // namespace detent
