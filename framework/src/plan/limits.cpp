// SPDX-License-Identifier: Apache-2.0
#include "plan/limits.hpp"

#include <fmt/format.h>

#include "plan/refuse_scheme.hpp"
#include "plugin/capabilities.hpp"

namespace detent {
namespace {

constexpr const char* kSeePlugin = "see `detent plugins show {}` for what it can handle";

std::string hint_of(const SchemaProblem& problem, const Plugin& plugin) {
  return problem.hint.empty() ? fmt::format(fmt::runtime(kSeePlugin), plugin.id) : problem.hint;
}

[[noreturn]] void refuse(const Config& config, const PluginUse& use, const SchemaProblem& problem,
                         const std::string& tensor) {
  Where where = where_in(config, use.pointer, use.position, tensor);
  where.plugin = use.plugin->id;
  throw Error(ErrorCode::config, fmt::format("\"{}\": {}", tensor, problem.message),
              hint_of(problem, *use.plugin), std::move(where));
}

void refuse_stored(const Config& config, const PluginUse& serializer, const std::string& name,
                   detent_dtype dtype, const std::vector<std::int64_t>& shape) {
  for (const SchemaProblem& p :
       beyond_capabilities(*serializer.plugin, "tensor", tensor_facts(dtype, shape)))
    refuse(config, serializer, p, name);
}

}  // namespace

std::string beyond_quantizer(const Config& config, const PluginUse& quantizer,
                             const TensorInfo& tensor) {
  std::string shape_reason;
  const auto problems =
      beyond_capabilities(*quantizer.plugin, "tensor", tensor_facts(tensor.dtype, tensor.shape));
  for (const SchemaProblem& p : problems)
    if (p.pointer != "/dtype" && shape_reason.empty()) shape_reason = p.message;
  // A bias is not what a rule for a layer is about, whatever its type.
  if (problems.empty() || !shape_reason.empty()) return shape_reason;
  refuse(config, quantizer, problems.front(), tensor.name);
}

void refuse_beyond_limits(const Config& config, const TensorScheme& scheme,
                          const QuantizerPlan& answer, const std::string& name,
                          detent_dtype dtype) {
  if (!answer.target) return;
  const Plugin& quantizer = *scheme.quantizer.plugin;
  const json::Object target = target_facts(*answer.target);
  const auto broken = beyond_capabilities(quantizer, "target", target);
  if (!broken.empty())
    throw Error(ErrorCode::plugin,
                fmt::format("quantizer \"{}\" broke its contract: its plan for \"{}\" goes beyond "
                            "what it declares: {}",
                            quantizer.id, name, broken.front().message),
                "this is a mistake in the plugin: report it to its vendor",
                {.tensor = name, .plugin = quantizer.id});
  if (!scheme.observer) return;
  const Plugin& observer = *scheme.observer->plugin;
  for (const auto& p : beyond_capabilities(observer, "target", target))
    refuse(config, *scheme.observer, p, name);
  const json::Object seen{{"dtype", *tensor_facts(dtype, {}).find("dtype")}};
  for (const auto& p : beyond_capabilities(observer, "tensor", seen))
    refuse(config, *scheme.observer, p, name);
}

void refuse_beyond_serializers(const Config& config, const Model& model, const Plan& plan) {
  for (const Output& output : config.outputs) {
    const PluginUse& use = output.serializer;
    if (use.plugin->capabilities.if_object()->empty()) continue;
    for (const TensorPlan& t : plan.tensors) {
      const TensorInfo& tensor = model.tensors()[t.tensor];
      if (!t.quantize) refuse_stored(config, use, tensor.name, tensor.dtype, tensor.shape);
      for (std::size_t i = 0; t.quantize && i < t.quantizer.outputs.size(); ++i) {
        const PlannedTensor& made = t.quantizer.outputs[i];
        refuse_stored(config, use, t.stored[i].name, made.dtype, made.shape);
      }
    }
  }
}

}  // namespace detent
