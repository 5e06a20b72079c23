// SPDX-License-Identifier: Apache-2.0
// What a serializer that writes programs is told: the program's operators and the plan's tensors.
#pragma once
#include "plan/plan.hpp"
#include "plugin/program_edit.hpp"

namespace detent {

// The plan outlives the view. Uses are those of the facts, in their order.
ProgramView view_program(const Plan& plan, const Model& model, const ProgramFacts& facts);

}  // namespace detent
