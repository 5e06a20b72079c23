// SPDX-License-Identifier: Apache-2.0
// Which statistics of the inputs of weights are collected while the model runs.
#pragma once
#include "plan/plan.hpp"

namespace detent {

// "mean_square" of each channel: how much an element of a weight counts.
inline constexpr const char* kSecondMoment = "stat:second_moment/1";

// Fills plan.statistics from what the observers and quantizers of weights require, each statistic
// of a weight once; where inputs are not seen, the warning "importance_missing". The plan's tensors
// are there. program: nullptr when the model does not run.
//
// Errors  Error{config}: no program, no calibration data, or nobody provides the statistic; an
//         observer of activations that requires one
void plan_statistics(const Config& config, const Model& model, const Program* program, Plan& plan);

// What collecting a statistic and weighing a tensor with it takes, at most.
std::uint64_t statistic_bytes(const StatisticPlan& statistic, const Model& model);

}  // namespace detent
