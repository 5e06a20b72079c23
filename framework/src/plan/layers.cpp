// SPDX-License-Identifier: Apache-2.0
#include "plan/layers.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/dtype.hpp"

namespace detent {
namespace {

// The module of torch.nn that does what the operator does; "" when there is none.
std::string_view module_of(std::string_view op) {
  static constexpr std::pair<std::string_view, std::string_view> kModules[] = {
      {"linear", "Linear"},
      {"conv1d", "Conv1d"},
      {"conv2d", "Conv2d"},
      {"conv3d", "Conv3d"},
      {"conv_transpose1d", "ConvTranspose1d"},
      {"conv_transpose2d", "ConvTranspose2d"},
      {"conv_transpose3d", "ConvTranspose3d"},
      {"embedding", "Embedding"}};
  const auto* const at = std::find_if(std::begin(kModules), std::end(kModules),
                                      [&](const auto& m) { return m.first == op; });
  return at == std::end(kModules) ? std::string_view() : at->second;
}

}  // namespace

std::vector<std::string> tensor_types(const Model& model, const Program* program) {
  std::vector<std::string> types;
  for (const TensorInfo& t : model.tensors()) types.push_back(t.type);
  if (program == nullptr) return types;
  for (const WeightUse& use : program->facts().uses) {
    const TensorInfo* tensor = model.find(use.weight);
    if (tensor == nullptr) continue;
    std::string& type = types[static_cast<std::size_t>(tensor - model.tensors().data())];
    if (type.empty()) type = module_of(use.op);
  }
  return types;
}

std::vector<Layer> group_layers(const Model& model, const std::vector<std::string>& types) {
  std::vector<Layer> layers;
  std::vector<bool> mixed;
  std::unordered_map<std::string_view, std::size_t> index;
  for (std::size_t i = 0; i < model.tensors().size(); ++i) {
    const TensorInfo& tensor = model.tensors()[i];
    const auto [at, is_new] = index.try_emplace(tensor.layer, layers.size());
    if (is_new) {
      layers.push_back({tensor.layer, types[i], 0, {}});
      mixed.push_back(false);
    }
    Layer& layer = layers[at->second];
    if (layer.type.empty()) layer.type = types[i];
    if (!types[i].empty() && types[i] != layer.type) mixed[at->second] = true;
    if (is_float(tensor.dtype)) layer.params += tensor.numel();
    layer.tensors.push_back(i);
  }
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (mixed[i]) layers[i].type.clear();
  return layers;
}

}  // namespace detent
