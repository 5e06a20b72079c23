// SPDX-License-Identifier: Apache-2.0
#include "plan/activations.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/dtype.hpp"
#include "plan/limits.hpp"
#include "plan/refuse_scheme.hpp"

namespace detent {
namespace {

// The prefix of what is stored: "fc1.input". Beside a tensor, as its scale: "kernel_input"; a dot
// would put it into a module that has the tensor's name.
std::string stored_prefix(const TensorInfo& weight, Side side) {
  return site_of(weight) + (speaks_for_layer(weight) ? "." : "_") + to_string(side);
}

bool wants(const TensorScheme& scheme, Side side) {
  if (scheme.observe == Observe::both) return true;
  return (scheme.observe == Observe::input) == (side == Side::input);
}

class ActivationPlanner {
 public:
  ActivationPlanner(const Config& config, const Model& model, const Program& program,
                    ThreadPool& pool, const KeptLayers& kept, Plan& plan)
      : config_(config),
        model_(model),
        facts_(program.facts()),
        pool_(pool),
        kept_(kept),
        plan_(plan) {}

  void make() {
    for (const WeightUse& use : facts_.uses) add_use(use);
    for (const Layer& layer : plan_.layers) skip_unseen(layer);
    refuse_without_data();
  }

 private:
  const TensorScheme* scheme_of(const TensorPlan& tensor) const {
    if (tensor.rule < 0) return nullptr;
    const Rule& rule = config_.rules[static_cast<std::size_t>(tensor.rule)];
    return rule.activation ? &*rule.activation : nullptr;
  }

  void add_use(const WeightUse& use) {
    const TensorInfo* weight = model_.find(use.weight);
    if (weight == nullptr) return;
    const TensorPlan& tensor =
        plan_.tensors[static_cast<std::size_t>(weight - model_.tensors().data())];
    const TensorScheme* scheme = scheme_of(tensor);
    if (scheme == nullptr) return;
    layers_seen_.insert(weight->layer);
    if (const auto it = kept_.find(weight->layer); it != kept_.end())
      return skip(weight->layer, tensor.rule, it->second);
    if (const auto it = facts_.out_of_reach.find(use.weight); it != facts_.out_of_reach.end())
      return skip(weight->layer, tensor.rule, it->second);
    for (const Side side : {Side::input, Side::output}) {
      // A weight that several operators use has one pair of parameters for all of them.
      if (!wants(*scheme, side) || !sides_seen_.emplace(use.weight, side).second) continue;
      if (side == Side::input && use.op == "embedding") {
        skip(weight->layer, tensor.rule, "the inputs of an embedding are indices, not numbers");
      } else {
        add(*weight, tensor, *scheme, side);
      }
    }
  }

  void add(const TensorInfo& weight, const TensorPlan& tensor, const TensorScheme& scheme,
           Side side) {
    ActivationPlan a;
    a.weight = weight.name;
    a.site = site_of(weight);
    a.layer = weight.layer;
    a.side = side;
    a.rule = tensor.rule;
    a.scheme = &scheme;
    a.dynamic = !scheme.observer.has_value();
    const std::string name = stored_prefix(weight, side);
    const QuantizerPlan answer = ask_quantizer(name, weight, tensor, scheme, side);
    if (!answer.declined.empty()) {
      skip(a.layer, a.rule, fmt::format("{}: {}", scheme.quantizer.plugin->id, answer.declined));
      return;
    }
    a.target = *answer.target;
    if (!a.dynamic) {
      a.stored.push_back({"scale", name + "_scale"});
      if (a.target.spec.symmetric == 0) a.stored.push_back({"zero_point", name + "_zero_point"});
    }
    plan_.activations.push_back(std::move(a));
  }

  // Shape and element type of an activation are known when the program runs, not before.
  QuantizerPlan ask_quantizer(const std::string& name, const TensorInfo& weight,
                              const TensorPlan& tensor, const TensorScheme& scheme, Side side) {
    const Plugin& plugin = *scheme.quantizer.plugin;
    Quantizer quantizer(
        plugin, pool_,
        {.params = scheme.quantizer.params, .target = name, .role = DETENT_ROLE_ACTIVATION});
    QuantizerPlan answer = quantizer.plan({name,
                                           DETENT_F32,
                                           {},
                                           weight.layer,
                                           tensor.input.layer_type,
                                           to_string(side),
                                           tensor.layer_params});
    for (const QuantizerWarning& w : answer.warnings)
      plan_.warnings.push_back({w.code, w.message, {.layer = weight.layer, .plugin = plugin.id}});
    if (!answer.declined.empty()) return answer;
    refuse_target(answer, scheme, weight.layer);
    refuse_missing_statistics(config_, scheme, answer, name);
    refuse_beyond_limits(config_, scheme, answer, name, DETENT_F32);
    return answer;
  }

  void refuse_target(const QuantizerPlan& answer, const TensorScheme& scheme,
                     const std::string& layer) const {
    const std::string& id = scheme.quantizer.plugin->id;
    const bool coarse = answer.target && answer.target->spec.granularity <= DETENT_PER_CHANNEL;
    if (coarse) return;
    Where place = where_in(config_, scheme.quantizer.pointer, scheme.quantizer.position);
    place.layer = layer;
    throw Error(ErrorCode::config,
                answer.target
                    ? fmt::format("quantizer \"{}\" wants a scale for each group of an activation; "
                                  "activations have one, or one per channel",
                                  id)
                    : fmt::format("quantizer \"{}\" has no target for activations", id),
                "name an 8-bit quantizer under \"activation\"", std::move(place));
  }

  // A layer that a rule selects and that no operator's use speaks for.
  void skip_unseen(const Layer& layer) {
    if (layers_seen_.contains(layer.name)) return;
    for (const std::size_t t : layer.tensors) {
      const TensorPlan& tensor = plan_.tensors[t];
      const TensorInfo& info = model_.tensors()[t];
      if (scheme_of(tensor) == nullptr || !is_float(info.dtype)) continue;
      const auto reader = facts_.other_readers.find(info.name);
      skip(layer.name, tensor.rule,
           reader != facts_.other_readers.end()
               ? fmt::format("its parameters are read by {}, whose activations are not observed",
                             reader->second)
               : std::string("no operator of the program uses its parameters as a weight"));
      return;
    }
  }

  void skip(const std::string& layer, int rule, std::string reason) {
    plan_.warnings.push_back(
        {"activation_not_observed",
         fmt::format("the activations of \"{}\" stay in floating point: {}", layer, reason),
         {.layer = layer}});
    plan_.skipped_activations.push_back({layer, std::move(reason), rule});
  }

  void refuse_without_data() const {
    if (config_.has_calibration) return;
    for (const ActivationPlan& a : plan_.activations) {
      if (a.dynamic) continue;
      const PluginUse& observer = *a.scheme->observer;
      throw Error(ErrorCode::config,
                  fmt::format("observer \"{}\" has nothing to observe: the file has no "
                              "\"calibration\"",
                              observer.plugin->id),
                  "add \"calibration\": {\"data\": \"calibration.safetensors\"}, or leave "
                  "\"observer\" out to quantize with the parameters of each run",
                  where_in(config_, observer.pointer, observer.position));
    }
  }

  const Config& config_;
  const Model& model_;
  const ProgramFacts& facts_;
  ThreadPool& pool_;
  const KeptLayers& kept_;
  Plan& plan_;
  std::set<std::string> layers_seen_;
  std::set<std::pair<std::string, Side>> sides_seen_;
};

}  // namespace

void plan_activations(const Config& config, const Model& model, const Program& program,
                      ThreadPool& pool, const KeptLayers& kept, Plan& plan) {
  ActivationPlanner(config, model, program, pool, kept, plan).make();
}

}  // namespace detent
