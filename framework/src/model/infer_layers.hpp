// SPDX-License-Identifier: Apache-2.0
// infer_layers: which tensors form a layer, and what kind of layer it is.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "json/value.hpp"
#include "model/model.hpp"

namespace detent {

// Fills in layer, param and type of every tensor. A name is split at its last dot: "a.b.weight" is
// the param "weight" of the layer "a.b"; a name without a dot is a param of the layer "". The type
// is what options.types says, otherwise what known_types holds for the layer, otherwise what
// layer_type makes of it; all tensors of a layer have the same. config is that of config.json or
// null; notes is appended to (see Model::notes).
void infer_layers(std::vector<TensorInfo>& tensors, const json::Value& config,
                  const ModelOptions& options, std::vector<std::string>* notes,
                  const std::map<std::string, std::string>& known_types = {});

}  // namespace detent
