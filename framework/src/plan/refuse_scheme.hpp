// SPDX-License-Identifier: Apache-2.0
// What planning tensors and planning activations share. Private to this folder.
#pragma once
#include <string>

#include "config/config.hpp"
#include "plan/plan.hpp"

namespace detent {

// A place in the pipeline file.
Where where_in(const Config& config, const std::string& pointer, json::Position position,
               std::string tensor = {});

// Refuses an observer beside a quantizer that takes none, and one that does not give what the
// quantizer needs to know of `name`. Errors: Error{config}.
void refuse_missing_statistics(const Config& config, const TensorScheme& scheme,
                               const QuantizerPlan& answer, const std::string& name);

}  // namespace detent
