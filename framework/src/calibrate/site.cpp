// SPDX-License-Identifier: Apache-2.0
#include "calibrate/site.hpp"

#include <fmt/format.h>

namespace detent {

std::string Site::describe() const {
  const std::string of = statistic.empty() ? "" : fmt::format(" (for {})", statistic);
  return fmt::format("{} of \"{}\"{}", to_string(side), name, of);
}

Site site_of(const ActivationPlan& a) {
  return {a.weight, a.site, a.layer, a.side, "", *a.scheme->observer, a.target};
}

Site site_of(const StatisticPlan& s) {
  return {s.weight, s.site, s.layer, Side::input, s.statistic, *s.provider, s.target};
}

Site site_of(const Plan& plan, const SiteObservation& seen) {
  return seen.statistic ? site_of(plan.statistics[seen.index])
                        : site_of(plan.activations[seen.index]);
}

}  // namespace detent
