// SPDX-License-Identifier: Apache-2.0
#include "plan/layers.hpp"

#include <unordered_map>

#include "base/dtype.hpp"

namespace detent {

std::vector<Layer> group_layers(const Model& model) {
  std::vector<Layer> layers;
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < model.tensors().size(); ++i) {
    const TensorInfo& tensor = model.tensors()[i];
    const auto [at, is_new] = index.try_emplace(tensor.layer, layers.size());
    if (is_new) layers.push_back({tensor.layer, tensor.type, 0, {}});
    Layer& layer = layers[at->second];
    if (layer.type.empty()) layer.type = tensor.type;
    if (is_float(tensor.dtype)) layer.params += tensor.numel();
    layer.tensors.push_back(i);
  }
  return layers;
}

}  // namespace detent
