// SPDX-License-Identifier: Apache-2.0
// Site: what an observation is of, whether of an activation or for a statistic.
#pragma once
#include <string>

#include "calibrate/observe.hpp"

namespace detent {

struct Site {
  const std::string& weight;  // whose operators are watched
  const std::string& name;    // of states and messages
  const std::string& layer;
  Side side;
  std::string statistic;  // empty: an activation that is quantized
  const PluginUse& observer;
  const QuantTarget& target;

  std::string describe() const;  // "input of \"fc1\""
};

// Refers to the plan.
Site site_of(const Plan& plan, const SiteObservation& observation);
Site site_of(const ActivationPlan& activation);  // a static one
Site site_of(const StatisticPlan& statistic);

}  // namespace detent
