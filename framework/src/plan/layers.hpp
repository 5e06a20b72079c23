// SPDX-License-Identifier: Apache-2.0
// Layers: the tensors of a model grouped by what they belong to.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.hpp"

namespace detent {

struct Layer {
  std::string name;  // may be empty: tensors without a dot in their name
  std::string type;
  std::uint64_t params = 0;          // elements of its floating-point tensors
  std::vector<std::size_t> tensors;  // indices into Model::tensors(), ascending
};

// In the order of each layer's first tensor.
std::vector<Layer> group_layers(const Model& model);

}  // namespace detent
