// SPDX-License-Identifier: Apache-2.0
// What became of the model's own output, as JSON and for people.
#pragma once
#include <string>

#include "run/run.hpp"

namespace detent {

// The output of the run that speaks for it: the first that ran itself, else the first that was
// simulated, else the first. nullptr when there is none.
const OutputEvaluation* main_evaluation(const Evaluation& evaluation);

json::Value evaluation_to_json(const RunFacts& facts);

// "accuracy  97.8 % -> 97.5 % (360 samples)" and the like; empty when nothing was measured.
std::string evaluation_lines(const Evaluation& evaluation);

}  // namespace detent
