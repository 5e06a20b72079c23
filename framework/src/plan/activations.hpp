// SPDX-License-Identifier: Apache-2.0
// Which activations are quantized, and which keep floating point though a rule selects them.
#pragma once
#include "plan/plan.hpp"

namespace detent {

// Fills plan.activations, plan.skipped_activations and their warnings. The plan's layers and
// tensors are there: a rule that selects a weight selects the activations of its operators.
//
// Errors  Error{config}: a static activation without calibration data, an observer beside a
//         quantizer that needs none; Error{quantization}, Error{plugin}: the quantizer's
void plan_activations(const Config& config, const Model& model, const Program& program,
                      ThreadPool& pool, const KeptLayers& kept, Plan& plan);

}  // namespace detent
