// SPDX-License-Identifier: Apache-2.0
// Calibration: what the observers of activations saw and chose.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/observe.hpp"
#include "plan/plan.hpp"

namespace detent {

// Of one activation. A dynamic one has its params and nothing else.
struct SiteResult {
  ActivationParams params;
  // "scale" and, unless symmetric, "zero_point", as the observer gave them; as they are stored.
  std::shared_ptr<const TensorStore> qparams;
  std::vector<double> range_min;  // the range that was chosen, one entry for each scale
  std::vector<double> range_max;
  double min = 0;  // of the finite values
  double max = 0;
  std::uint64_t observed = 0;    // finite values
  std::uint64_t non_finite = 0;  // NaN and infinities, which were left out
  // Of the finite values, beyond what the codes can stand for by more than half a step; an estimate
  // where it is not 0 (see ValueTally). None for scales per channel.
  std::optional<double> clipped_fraction;
};

// A statistic of the inputs of a weight's operators.
struct StatisticResult {
  std::shared_ptr<const TensorStore> values;  // as the observer gave them: "mean_square", ...
  std::uint64_t observed = 0;                 // finite values
  std::uint64_t non_finite = 0;
};

struct Calibration {
  std::vector<SiteResult> sites;            // of Plan::activations, in its order
  std::vector<StatisticResult> statistics;  // of Plan::statistics, in its order
  std::uint64_t samples_requested = 0;
  std::uint64_t samples_used = 0;
  std::uint64_t batches = 0;
  std::uint64_t passes = 0;       // over the data; 0 when nothing was observed
  std::uint64_t states = 0;       // files of observers' states that were used instead of data
  std::vector<Warning> warnings;  // few samples, values that are not finite, clipped values
};

// The parameters that the observers choose, the statistics that they give, and what a user should
// know of them.
//
// Errors  Error{quantization} "no data observed", naming the layer; Error{plugin}
Calibration conclude(const Config& config, const Plan& plan, const Observations& observations);

}  // namespace detent
