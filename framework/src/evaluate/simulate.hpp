// SPDX-License-Identifier: Apache-2.0
// What is stored goes into the simulation: the original program with the quantized numbers in it.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "calibrate/calibrate.hpp"
#include "plan/plan.hpp"
#include "program/program.hpp"

namespace detent {

// How the activations of the operators that use a weight are quantized.
struct SimulatedSides {
  std::optional<ActivationParams> input;
  std::optional<ActivationParams> output;
};
using SidesOf = std::map<std::string, SimulatedSides>;  // by weight

SidesOf sides_of(const Plan& plan, const Calibration& calibration);

// quantized: what the quantizer stored for the tensor; nullptr when it is kept. Does nothing for a
// kept tensor whose activations stay in floating point.
void simulate_tensor(Program& program, const TensorPlan& plan, const TensorInfo& info,
                     const TensorStore* quantized, const SidesOf& sides, ThreadPool& pool);

}  // namespace detent
