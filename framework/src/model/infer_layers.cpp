// SPDX-License-Identifier: Apache-2.0
#include "model/infer_layers.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <string_view>

#include "base/text.hpp"
#include "model/layer_type.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

using Layers = std::map<std::string_view, std::vector<TensorInfo*>>;

void split_name(TensorInfo& tensor) {
  const std::size_t dot = tensor.name.rfind('.');
  const bool has_dot = dot != std::string::npos;
  tensor.layer = has_dot ? tensor.name.substr(0, dot) : "";
  tensor.param = has_dot ? tensor.name.substr(dot + 1) : tensor.name;
}

bool matches(const std::string& glob, std::string_view layer,
             const std::vector<TensorInfo*>& tensors) {
  return glob_match(glob, layer) ||
         std::any_of(tensors.begin(), tensors.end(),
                     [&](const TensorInfo* t) { return glob_match(glob, t->name); });
}

const std::string* type_by_user(std::string_view layer, const std::vector<TensorInfo*>& tensors,
                                const ModelOptions& options) {
  for (const auto& [glob, type] : options.types)
    if (matches(glob, layer, tensors)) return &type;
  return nullptr;
}

// GPT-2's projections are [in, out] where every other Linear is [out, in].
void note_transposed(const std::vector<std::string_view>& layers, std::vector<std::string>* notes) {
  if (layers.empty()) return;
  notes->push_back(fmt::format(
      "{} Linear layers, {} the first, store their weight as [in, out] (GPT-2's Conv1D): scales "
      "per channel on axis 0 are then per input; \"axis\": 1 makes them per output",
      layers.size(), shown(layers.front())));
}

}  // namespace

void infer_layers(std::vector<TensorInfo>& tensors, const json::Value& config,
                  const ModelOptions& options, std::vector<std::string>* notes,
                  const std::map<std::string, std::string>& known_types) {
  Layers layers;
  for (TensorInfo& t : tensors) {
    split_name(t);
    layers[t.layer].push_back(&t);
  }
  const TypeHints hints = type_hints(tensors, config);
  std::vector<std::string_view> transposed;
  for (auto& [name, members] : layers) {
    LayerParams params{name, {}};
    for (const TensorInfo* t : members) params.shapes.emplace(t->param, &t->shape);
    const std::string* given = type_by_user(name, members, options);
    const auto known = known_types.find(std::string(name));
    if (given == nullptr && known != known_types.end()) given = &known->second;
    const std::string type = given != nullptr ? *given : std::string(layer_type(params, hints));
    if (given == nullptr && type == "Linear" && is_transposed(params, hints))
      transposed.push_back(name);
    for (TensorInfo* t : members) t->type = type;
  }
  note_transposed(transposed, notes);
}

std::vector<std::string> unmatched_types(const Model& model, const ModelOptions& options) {
  std::vector<std::string> result;
  for (const auto& entry : options.types) {
    const std::string& glob =
        entry.first;  // a lambda of C++20 captures it, one of clang 14 no binding
    const auto& tensors = model.tensors();
    const bool used = std::any_of(tensors.begin(), tensors.end(), [&](const TensorInfo& t) {
      return glob_match(glob, t.layer) || glob_match(glob, t.name);
    });
    if (!used) result.push_back(glob);
  }
  return result;
}

}  // namespace detent
