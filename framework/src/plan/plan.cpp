// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.hpp"

#include <algorithm>
#include <detent/abi/program.h>
#include <fmt/format.h>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/dtype.hpp"
#include "plan/activations.hpp"
#include "plan/blocks.hpp"
#include "plan/limits.hpp"
#include "plan/refuse_scheme.hpp"
#include "plan/select.hpp"
#include "plan/statistics.hpp"

namespace detent {
namespace {

class Planner {
 public:
  Planner(const Config& config, const Model& model, const Program* program, ThreadPool& pool,
          const KeptLayers& kept)
      : config_(config),
        model_(model),
        program_(program),
        pool_(pool),
        kept_(kept),
        types_(tensor_types(model, program)),
        selector_(config) {
    for (const auto& [alias, name] : model.aliases()) aliases_.emplace(name, alias);
  }

  Plan make() {
    refuse_without_program();
    refuse_fixed_program();
    plan_.layers = group_layers(model_, types_);
    plan_.tensors.resize(model_.tensors().size());
    for (std::size_t l = 0; l < plan_.layers.size(); ++l)
      for (const std::size_t t : plan_.layers[l].tensors) plan_.tensors[t] = decide(l, t);
    if (program_ != nullptr) plan_activations(config_, model_, *program_, pool_, kept_, plan_);
    plan_statistics(config_, model_, program_, plan_);
    refuse_name_clashes();
    refuse_beyond_serializers(config_, model_, plan_);
    add_up();
    plan_blocks(config_, model_, program_, pool_.threads(), plan_);
    warn_of_auto();
    warn_of_unused();
    remark_on_whole_model();
    return std::move(plan_);
  }

 private:
  // All that needs a model that runs, where this one does not.
  void refuse_without_program() const {
    if (program_ != nullptr) return;
    std::vector<Problem> problems;
    const auto why = [this] { return why_not_runnable(model_); };
    for (const Rule& rule : config_.rules) {
      if (!rule.activation) continue;
      const PluginUse& use =
          rule.activation->observer ? *rule.activation->observer : rule.activation->quantizer;
      problems.push_back({fmt::format("activations can only be observed in a model that runs "
                                      "(TorchScript); {}",
                                      why()),
                          "remove \"activation\" from this rule, or give a TorchScript model",
                          where_in(config_, rule.pointer + "/activation", use.position)});
    }
    for (const Output& output : config_.outputs) {
      const PluginUse& use = output.serializer;
      if (!needs_program(use)) continue;
      problems.push_back({fmt::format("serializer \"{}\" writes models that run (TorchScript); {}",
                                      use.plugin->id, why()),
                          "choose another serializer, or give a TorchScript model",
                          where_in(config_, use.pointer, use.position)});
    }
    if (!problems.empty()) throw Error(ErrorCode::config, std::move(problems));
  }

  static bool needs_program(const PluginUse& serializer) {
    return lists(serializer.plugin->requirements, DETENT_NEEDS_PROGRAM);
  }

  // A program that cannot be taken apart can be read and run, and no other be made of it.
  void refuse_fixed_program() {
    for (const Output& output : config_.outputs) {
      const PluginUse& use = output.serializer;
      if (program_ == nullptr || !needs_program(use)) continue;
      writes_program_ = true;
      const std::string& why = program_->facts().not_editable;
      if (why.empty()) continue;
      throw Error(ErrorCode::config,
                  fmt::format("serializer \"{}\" cannot write this model: {}", use.plugin->id, why),
                  "choose a serializer that writes weights alone: see `detent plugins list`",
                  where_in(config_, use.pointer, use.position));
    }
  }

  // Nothing of the program would notice that this tensor was quantized.
  void warn_of_no_effect(const TensorInfo& tensor) {
    if (program_ == nullptr) return;
    const ProgramFacts& facts = program_->facts();
    const bool used =
        std::any_of(facts.uses.begin(), facts.uses.end(),
                    [&](const WeightUse& use) { return use.weight == tensor.name; }) ||
        facts.other_readers.contains(tensor.name) || facts.out_of_reach.contains(tensor.name);
    if (used || !facts.not_editable.empty()) return;
    plan_.warnings.push_back(
        {"no_effect",
         fmt::format("\"{}\" is quantized, and the program does not use it", tensor.name),
         {.tensor = tensor.name, .layer = tensor.layer}});
  }

  TensorPlan decide(std::size_t layer_index, std::size_t tensor_index) {
    const Layer& whole = plan_.layers[layer_index];
    const TensorInfo& tensor = model_.tensors()[tensor_index];
    const std::string& type = types_[tensor_index].empty() ? whole.type : types_[tensor_index];
    const Layer layer{whole.name, type, whole.params, {}};
    TensorPlan plan;
    plan.tensor = tensor_index;
    plan.layer = layer_index;
    plan.layer_params = layer.params;
    plan.bits = DETENT_DTYPE_BITS(tensor.dtype);
    plan.bytes_before = plan.bytes_after = tensor.nbytes;
    // Of a weight that no module of torch.nn holds the name says little: it is what an operator
    // uses it for.
    const bool used_as_weight = tensor.type.empty() && !types_[tensor_index].empty();
    plan.input = {tensor.name, tensor.dtype, tensor.shape,
                  layer.name,  layer.type,   used_as_weight ? "weight" : tensor.param,
                  layer.params};
    const Rule* rule = first_match(layer, tensor, plan);
    if (rule == nullptr || rule->keep) return plan;
    if (const auto it = kept_.find(whole.name); it != kept_.end()) {
      plan.reason = it->second;
    } else if (!rule->weight) {
      plan.reason = fmt::format("{} says nothing about weights", rule->pointer);
    } else if (!is_float(tensor.dtype)) {
      plan.reason = fmt::format("{} is no floating-point type", dtype_name(tensor.dtype));
    } else if (const std::string* why = out_of_reach(tensor)) {
      plan.reason = fmt::format("the program cannot be given another: {}", *why);
    } else if (std::string beyond = beyond_quantizer(config_, rule->weight->quantizer, tensor);
               !beyond.empty()) {
      plan.reason = std::move(beyond);
    } else {
      ask_quantizer(layer, tensor, *rule->weight, plan);
    }
    return plan;
  }

  // Why the program keeps the tensor, where one is written; nullptr when it need not.
  const std::string* out_of_reach(const TensorInfo& tensor) const {
    if (program_ == nullptr || !writes_program_) return nullptr;
    const auto& all = program_->facts().out_of_reach;
    const auto it = all.find(tensor.name);
    return it == all.end() ? nullptr : &it->second;
  }

  // The rule for this tensor, with plan.rule and plan.reason set; nullptr when it is kept.
  const Rule* first_match(const Layer& layer, const TensorInfo& tensor, TensorPlan& plan) {
    std::vector<std::string_view> aliases;
    const auto [begin, end] = aliases_.equal_range(tensor.name);
    for (auto it = begin; it != end; ++it) aliases.push_back(it->second);
    Selector::Choice choice = selector_.choose({layer, tensor, aliases});
    plan.rule = choice.index;
    plan.reason = std::move(choice.reason);
    return choice.rule;
  }

  void ask_quantizer(const Layer& layer, const TensorInfo& tensor, const TensorScheme& scheme,
                     TensorPlan& plan) {
    Quantizer quantizer = make_quantizer(scheme, tensor.name, pool_);
    QuantizerPlan answer = quantizer.plan(plan.input);
    const std::string& id = scheme.quantizer.plugin->id;
    for (const QuantizerWarning& w : answer.warnings)
      plan_.warnings.push_back(
          {w.code, w.message, {.tensor = tensor.name, .layer = layer.name, .plugin = id}});
    if (!answer.declined.empty()) {
      plan.reason = fmt::format("{}: {}", id, answer.declined);
      return;
    }
    refuse_missing_statistics(config_, scheme, answer, tensor.name);
    refuse_beyond_limits(config_, scheme, answer, tensor.name, tensor.dtype);
    warn_of_no_effect(tensor);
    plan.quantize = true;
    plan.scheme = &scheme;
    plan.bytes_after = 0;
    for (const PlannedTensor& output : answer.outputs) {
      const bool codes = output.name == "qweight";
      if (codes) plan.bits = DETENT_DTYPE_BITS(output.dtype);
      plan.stored.push_back({output.name, codes ? tensor.name : tensor.name + "_" + output.name});
      plan.bytes_after += output.nbytes();
    }
    plan.quantizer = std::move(answer);
  }

  // Of everything that is stored for a tensor, when the tensor itself is called `name`.
  static std::vector<std::string> names_in_artefact(const std::string& name, const TensorPlan& t) {
    std::vector<std::string> names{name};
    for (const StoredName& s : t.stored)
      if (s.output != "qweight") names.push_back(name + "_" + s.output);
    return names;
  }

  void refuse_name_clashes() const {
    std::unordered_set<std::string> names;
    for (const ActivationPlan& a : plan_.activations)
      for (const StoredName& s : a.stored) names.insert(s.name);
    for (const TensorPlan& t : plan_.tensors) {
      const std::string& original = model_.tensors()[t.tensor].name;
      std::vector<std::string> stored = names_in_artefact(original, t);
      const auto [begin, end] = aliases_.equal_range(original);
      for (auto it = begin; it != end; ++it)
        for (std::string& name : names_in_artefact(std::string(it->second), t))
          stored.push_back(std::move(name));
      for (const std::string& name : stored) {
        if (names.insert(name).second) continue;
        throw Error(
            ErrorCode::config,
            fmt::format("two tensors of the output would be called \"{}\": the model has one "
                        "of that name already",
                        name),
            "keep the layer, or rename the tensor in the model", {.tensor = original});
      }
    }
  }

  void add_up() {
    for (const TensorPlan& t : plan_.tensors) {
      plan_.bytes_before += t.bytes_before;
      plan_.bytes_after += t.bytes_after;
    }
  }

  void warn_of_auto() {
    for (const Rule& rule : config_.rules)
      for (const auto* scheme : {&rule.weight, &rule.activation}) {
        if (!*scheme || !(*scheme)->observer || !(*scheme)->observer->chosen_by_auto) continue;
        const PluginUse& use = *(*scheme)->observer;
        warn("auto_observer",
             fmt::format(
                 "\"auto\" is experimental and chose the observer \"{}\"; name it to keep it",
                 use.plugin->id),
             use.pointer, use.position);
      }
  }

  void warn_of_unused() {
    const bool any = std::any_of(plan_.tensors.begin(), plan_.tensors.end(),
                                 [](const TensorPlan& t) { return t.quantize; });
    const auto where = [this](const std::string& pointer, json::Position position) {
      return where_in(config_, pointer, position);
    };
    for (Warning& w : selector_.unused(where)) plan_.warnings.push_back(std::move(w));
    // A program is run on the data in any case, to see what quantization does to its output.
    if (config_.has_calibration && program_ == nullptr)
      warn("calibration_unused", "no rule observes activations: the calibration data are not read",
           "/calibration", {});
    if (!any)
      warn("nothing_to_quantize", "no tensor of this model is quantized: see `detent plan` for why",
           "/rules", {});
  }

  // Layers without a matrix (normalizations, lone biases) have nothing to quantize and do not
  // count.
  bool can_be_quantized(const Layer& layer) const {
    return std::any_of(layer.tensors.begin(), layer.tensors.end(), [this](std::size_t t) {
      const TensorInfo& info = model_.tensors()[t];
      return is_float(info.dtype) && info.shape.size() >= 2;
    });
  }

  // Few bits everywhere cost accuracy where it is dearest; with more this is what is usually
  // wanted.
  void remark_on_whole_model() {
    std::size_t layers = 0;
    unsigned most_bits = 0;
    for (const Layer& layer : plan_.layers) {
      if (!can_be_quantized(layer)) continue;
      ++layers;
      unsigned bits = 0;
      for (const std::size_t t : layer.tensors)
        if (plan_.tensors[t].quantize) bits = std::max(bits, plan_.tensors[t].bits);
      if (bits == 0) return;  // kept
      most_bits = std::max(most_bits, bits);
    }
    if (layers == 0) return;
    const std::string all = fmt::format("All layers were quantized ({0} of {0}).", layers);
    if (most_bits > 4)
      plan_.notes.push_back({"all_layers_quantized", all, {}});
    else
      warn("all_layers_quantized",
           fmt::format("{} With {} bits, consider skipping embeddings and normalization layers to "
                       "preserve accuracy.",
                       all, most_bits),
           "/rules", {});
  }

  void warn(std::string code, std::string message, const std::string& pointer,
            json::Position position) {
    plan_.warnings.push_back(
        {std::move(code), std::move(message), where_in(config_, pointer, position)});
  }

  const Config& config_;
  const Model& model_;
  const Program* program_;
  ThreadPool& pool_;
  const KeptLayers& kept_;
  bool writes_program_ = false;                                          // an output is a program
  std::vector<std::string> types_;                                       // of each tensor
  std::unordered_multimap<std::string_view, std::string_view> aliases_;  // by what they name
  Selector selector_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const Config& config, const Model& model, const Program* program, ThreadPool& pool,
               const KeptLayers& kept) {
  return Planner(config, model, program, pool, kept).make();
}

Quantizer make_quantizer(const TensorScheme& scheme, const std::string& tensor, ThreadPool& pool) {
  return {*scheme.quantizer.plugin,
          pool,
          {.params = scheme.quantizer.params, .target = tensor, .role = DETENT_ROLE_WEIGHT}};
}

}  // namespace detent
