// SPDX-License-Identifier: Apache-2.0
// The calibration data as batches to evaluate on.
#pragma once
#include <vector>

#include "calibrate/samples.hpp"
#include "evaluate/evaluate.hpp"

namespace detent {

// One batch in memory at a time. samples outlives the source.
SampleSource source_of(const Samples& samples, std::vector<SampleRange> batches);

}  // namespace detent
