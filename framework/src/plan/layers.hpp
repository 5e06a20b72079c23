// SPDX-License-Identifier: Apache-2.0
// Layers: the tensors of a model grouped by what they belong to.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "program/program.hpp"

namespace detent {

struct Layer {
  std::string name;                  // may be empty: tensors without a dot in their name
  std::string type;                  // empty when unknown, or when its tensors are of several types
  std::uint64_t params = 0;          // elements of its floating-point tensors
  std::vector<std::size_t> tensors;  // indices into Model::tensors(), ascending
};

// The type of the layer of each tensor. What the model itself does not tell follows from the
// program: a tensor that a "linear" operator uses is the weight of a Linear, though no module of
// that class holds it. program may be nullptr.
std::vector<std::string> tensor_types(const Model& model, const Program* program);

// In the order of each layer's first tensor.
std::vector<Layer> group_layers(const Model& model, const std::vector<std::string>& types);

}  // namespace detent
