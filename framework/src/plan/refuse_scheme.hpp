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

// A layer can have several parameters that are used as weights; only that of the usual name speaks
// for the layer.
bool speaks_for_layer(const TensorInfo& weight);
// What is stored and said of the activations of the operators that use the weight.
std::string site_of(const TensorInfo& weight);

// Refuses an observer beside a quantizer that takes none, and one that does not give what the
// quantizer needs to know of `name`. Errors: Error{config}.
void refuse_missing_statistics(const Config& config, const TensorScheme& scheme,
                               const QuantizerPlan& answer, const std::string& name);

}  // namespace detent
