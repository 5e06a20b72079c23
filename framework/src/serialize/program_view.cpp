// SPDX-License-Identifier: Apache-2.0
#include "serialize/program_view.hpp"

#include <map>
#include <string_view>

#include "json/parse.hpp"

namespace detent {
namespace {

// The quantizer's plan was checked: "scheme" is there, and JSON.
std::string scheme_of(const QuantizerPlan& plan) {
  for (const auto& [key, json] : plan.meta)
    if (key == "scheme")
      if (const json::Value value = json::parse(json); value.if_string() != nullptr)
        return *value.if_string();
  return "unknown";
}

ProgramTensor tensor_of(const TensorPlan& plan, const TensorInfo& info) {
  ProgramTensor tensor;
  tensor.original = {info.name, info.dtype, info.shape};
  if (!plan.quantize) {
    tensor.stored.push_back(tensor.original);
    return tensor;
  }
  tensor.scheme = scheme_of(plan.quantizer);
  if (plan.quantizer.target) tensor.target = &*plan.quantizer.target;
  tensor.meta = plan.quantizer.meta;
  for (std::size_t i = 0; i < plan.stored.size(); ++i) {
    const PlannedTensor& output = plan.quantizer.outputs[i];
    tensor.stored.push_back({plan.stored[i].name, output.dtype, output.shape});
    tensor.outputs.push_back(plan.stored[i].output);
  }
  return tensor;
}

ProgramActivation activation_of(const ActivationPlan& plan) {
  ProgramActivation activation;
  activation.mode = plan.dynamic ? DETENT_ACTIVATION_DYNAMIC : DETENT_ACTIVATION_STATIC;
  activation.target = plan.target;
  for (const StoredName& s : plan.stored) {
    if (s.output == "scale") activation.scale = s.name;
    if (s.output == "zero_point") activation.zero_point = s.name;
  }
  return activation;
}

}  // namespace

ProgramView view_program(const Plan& plan, const Model& model, const ProgramFacts& facts) {
  ProgramView view;
  view.runtime = facts.runtime;
  std::map<std::string_view, const TensorPlan*> tensors;
  for (const TensorPlan& t : plan.tensors) {
    const TensorInfo& info = model.tensors()[t.tensor];
    view.tensors.push_back(tensor_of(t, info));
    tensors.emplace(info.name, &t);
  }
  for (const WeightUse& use : facts.uses) {
    ProgramUse& out = view.uses.emplace_back();
    out.op = use.op;
    out.weight = out.site = use.weight;
    out.replaceable = use.replaceable;
    if (const auto it = tensors.find(use.weight); it != tensors.end())
      if (model.tensors()[it->second->tensor].param == "weight")
        out.site = plan.layers[it->second->layer].name;
    for (const ActivationPlan& a : plan.activations) {
      if (a.weight != use.weight) continue;
      out.site = a.site;
      (a.side == Side::input ? out.input : out.output) = activation_of(a);
    }
  }
  return view;
}

}  // namespace detent
