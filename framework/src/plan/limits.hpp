// SPDX-License-Identifier: Apache-2.0
// What a plan asks of plugins, against what they declare that they can handle. Private to this
// folder.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plan/plan.hpp"

namespace detent {

// Why the quantizer is not asked about a tensor of such a shape; empty when it is.
//
// Errors  Error{config}: it does not take tensors of this element type
std::string beyond_quantizer(const Config& config, const PluginUse& quantizer,
                             const TensorInfo& tensor);

// The target that the quantizer answered with, against its own limits and those of the observer;
// `dtype` is what the observer will see of `name`.
//
// Errors  Error{config} with the nearest that the observer can do; Error{plugin} when the quantizer
//         goes beyond what it declares
void refuse_beyond_limits(const Config& config, const TensorScheme& scheme,
                          const QuantizerPlan& answer, const std::string& name, detent_dtype dtype);

// Every tensor that will be stored, against the limits of every output's serializer.
//
// Errors  Error{config} naming the tensor
void refuse_beyond_serializers(const Config& config, const Model& model, const Plan& plan);

}  // namespace detent
