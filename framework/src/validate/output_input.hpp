// SPDX-License-Identifier: Apache-2.0
// What the host measured on the output, as validators are told.
#pragma once
#include <detent/abi/validator.h>

#include "evaluate/evaluate.hpp"

namespace detent {

// Points into `evaluation`, which outlives it.
detent_output_input output_input(const OutputEvaluation& evaluation);

}  // namespace detent
