// SPDX-License-Identifier: Apache-2.0
#include "plugin/program_facts.hpp"

namespace detent {
namespace {

detent_tensor_spec spec_of(const PlannedTensor& tensor) {
  return {tensor.name.c_str(), tensor.shape.empty() ? nullptr : tensor.shape.data(),
          static_cast<std::int32_t>(tensor.shape.size()), tensor.dtype};
}

const char* text_or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

ProgramTables::ProgramTables(const ProgramView& view) {
  for (const ProgramTensor& tensor : view.tensors) add(tensor);
  for (const ProgramUse& use : view.uses)
    uses_.push_back({sizeof(detent_program_use), use.op.c_str(), use.weight.c_str(),
                     use.site.c_str(), add(use.input), add(use.output),
                     use.replaceable ? std::uint64_t{1} : std::uint64_t{0}});
}

const detent_program_activation* ProgramTables::add(const ProgramActivation& activation) {
  const bool quantized = activation.mode != DETENT_ACTIVATION_FLOAT;
  activations_.push_back({activation.mode, quantized ? activation.target.c() : nullptr,
                          text_or_null(activation.scale), text_or_null(activation.zero_point)});
  return &activations_.back();
}

void ProgramTables::add(const ProgramTensor& tensor) {
  const bool kept = tensor.scheme.empty();
  originals_.push_back(spec_of(tensor.original));
  auto& stored = stored_.emplace_back();
  for (const PlannedTensor& s : tensor.stored) stored.push_back(spec_of(s));
  auto& outputs = outputs_.emplace_back();
  for (const std::string& output : tensor.outputs) outputs.push_back(output.c_str());
  const detent_tensor_source* meta = nullptr;
  if (!kept) {
    TensorStore& store = meta_.emplace_back();
    for (const auto& [key, json] : tensor.meta) store.set_meta(key, json);
    meta = store.source();
  }
  tensors_.push_back({sizeof(detent_program_tensor), &originals_.back(),
                      text_or_null(tensor.scheme),
                      tensor.target != nullptr && !kept ? tensor.target->c() : nullptr, meta,
                      stored.size(), stored.data(), kept ? nullptr : outputs.data()});
}

}  // namespace detent
