// SPDX-License-Identifier: Apache-2.0
// What quantizers of weights leave alone, and why.
#pragma once
#include <string>

#include <detent/sdk/quantizer.hpp>

namespace detent::quantizers {

// "weight", "weight_ih_l0", "in_proj_weight": what begins or ends with "weight".
bool is_weight_name(std::string_view param);

// LayerNorm, BatchNorm2d, GroupNorm, RMSNorm, LlamaRMSNorm, InstanceNorm1d, ...
bool is_normalization(std::string_view layer_type);

// Why integers do not take the place of this tensor, for people; empty when they can: a weight of
// floats with at least two dimensions and an element, in no normalization layer.
std::string why_not_quantizable(const sdk::TensorInfo& tensor);

// Activations are the 8-bit quantizers' business: throws DETENT_E_PARAMS for that role.
void require_weight_role(const sdk::Config& config, const char* quantizer);

}  // namespace detent::quantizers
