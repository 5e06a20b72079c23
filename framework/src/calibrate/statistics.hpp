// SPDX-License-Identifier: Apache-2.0
// What an observer says of the inputs of a weight's operators. Private to this folder.
#pragma once
#include "calibrate/calibrate.hpp"

namespace detent {

// Errors  Error{quantization}: "no data observed", naming the layer; Error{plugin}: a mean square
//         that is none
StatisticResult conclude_statistic(const StatisticPlan& plan, const SiteObservation& seen);

}  // namespace detent
