// SPDX-License-Identifier: Apache-2.0
#include "plan/statistics.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "plan/refuse_scheme.hpp"

namespace detent {
namespace {

// Who needs a statistic of the inputs of a weight.
struct Request {
  std::string statistic;
  const PluginUse* by = nullptr;
  std::string who;  // "observer \"imatrix\""
};

// How a kind of operator takes its input, or why that is not known.
struct Channels {
  std::string op;
  std::size_t inner = 0;
  ChannelDim dim = ChannelDim::last;
  std::string missing;
};

Channels missing(std::string why) { return {"", 0, ChannelDim::last, std::move(why)}; }

Channels matching(const std::string& op, const TensorInfo& weight) {
  if (weight.shape.size() != 2)
    return missing(
        fmt::format("which of its {} dimensions goes with the channels of the input is "
                    "not known",
                    weight.shape.size()));
  if (weight.shape[0] == weight.shape[1])
    return missing(
        "it is square, and which of its dimensions goes with the channels of the input "
        "is not known");
  return {op, 0, ChannelDim::matching, {}};
}

Channels convolution(const std::string& op, const TensorInfo& weight, bool replaceable) {
  // "conv2d", "conv_transpose1d"
  const auto spatial = static_cast<std::size_t>(op[op.size() - 2] - '0');
  if (!replaceable || weight.shape.size() != spatial + 2)
    return missing(fmt::format("{} uses a view of it", op));
  const bool transposed = op.starts_with("conv_transpose");
  return {op, spatial, transposed ? ChannelDim::first : ChannelDim::second, {}};
}

Channels channels_of(const WeightUse& use, const TensorInfo& weight) {
  if (use.op.starts_with("conv")) return convolution(use.op, weight, use.replaceable);
  const bool as_it_is = use.op == "linear" && use.replaceable && weight.shape.size() == 2;
  if (as_it_is) return {use.op, 0, ChannelDim::last, {}};
  if (use.op == "linear" || use.op == "matmul") return matching(use.op, weight);
  return missing(fmt::format("the inputs of {} are not observed", use.op));
}

class StatisticPlanner {
 public:
  StatisticPlanner(const Config& config, const Model& model, const Program* program, Plan& plan)
      : config_(config), model_(model), program_(program), plan_(plan) {
    if (program == nullptr) return;
    for (const WeightUse& use : program->facts().uses) uses_[use.weight].push_back(&use);
  }

  void make() {
    refuse_for_activations();
    for (std::size_t t = 0; t < plan_.tensors.size(); ++t) {
      if (!plan_.tensors[t].quantize) continue;
      for (const Request& request : requests_of(plan_.tensors[t])) add(t, request);
    }
  }

 private:
  // An element of an activation is multiplied with many weights; nothing says how much it counts.
  void refuse_for_activations() const {
    for (const ActivationPlan& a : plan_.activations) {
      if (a.dynamic) continue;
      for (const std::string& id : a.scheme->observer->plugin->requirements)
        if (is_statistic(id)) refuse_activation(*a.scheme->observer, id);
    }
  }

  [[noreturn]] void refuse_activation(const PluginUse& use, const std::string& id) const {
    throw Error(
        ErrorCode::config,
        fmt::format("observer \"{}\" weighs what it observes by the statistic \"{}\", which "
                    "there is for weights and not for activations",
                    use.plugin->id, id),
        "choose another observer for \"activation\"", where_in(config_, use.pointer, use.position));
  }

  static std::vector<Request> requests_of(const TensorPlan& tensor) {
    std::vector<Request> requests;
    if (const auto& observer = tensor.scheme->observer)
      for (const std::string& id : observer->plugin->requirements)
        if (is_statistic(id))
          requests.push_back(
              {id, &*observer, fmt::format("observer \"{}\"", observer->plugin->id)});
    const PluginUse& quantizer = tensor.scheme->quantizer;
    for (const std::string& id : tensor.quantizer.required_input_stats)
      requests.push_back({id, &quantizer, fmt::format("quantizer \"{}\"", quantizer.plugin->id)});
    return requests;
  }

  void add(std::size_t t, const Request& request) {
    const TensorInfo& weight = model_.tensors()[t];
    refuse_useless(request);
    refuse_without_data(request, weight);
    const PluginUse& provider = provider_of(request, weight);
    Channels channels = channels_seen(weight);
    if (!channels.missing.empty()) return warn(weight, request, channels.missing);
    const auto same = std::find_if(
        plan_.statistics.begin(), plan_.statistics.end(),
        [&](const StatisticPlan& s) { return s.tensor == t && s.statistic == request.statistic; });
    if (same != plan_.statistics.end()) return note(*same, request);
    StatisticPlan s;
    s.tensor = t;
    s.weight = weight.name;
    s.site = site_of(weight);
    s.layer = weight.layer;
    s.statistic = request.statistic;
    s.provider = &provider;
    s.op = channels.op;
    s.inner = channels.inner;
    s.channel_dim = channels.dim;
    s.target = target();
    note(s, request);
    plan_.statistics.push_back(std::move(s));
  }

  static void note(StatisticPlan& s, const Request& request) {
    const auto known = std::find(s.wanted_by.begin(), s.wanted_by.end(), request.who);
    if (known == s.wanted_by.end()) s.wanted_by.push_back(request.who);
  }

  // The codes are those of the usual 8-bit activation: an observer is made for a target, and one
  // that provides statistics only asks which axis is the channels'.
  static QuantTarget target() {
    QuantTarget target;
    target.scheme = "detent.affine/1";
    target.spec.qdtype = DETENT_I8;
    target.spec.scale_dtype = DETENT_F32;
    target.spec.zero_dtype = DETENT_I8;
    target.spec.symmetric = 1;
    target.spec.granularity = DETENT_PER_CHANNEL;
    target.spec.axis = 1;
    target.spec.qmin = -127;
    target.spec.qmax = 127;
    return target;
  }

  // An observer is given an importance and no other statistic.
  static void refuse_useless(const Request& request) {
    const Plugin& plugin = *request.by->plugin;
    if (plugin.kind != PluginKind::observer) return;
    if (request.statistic == kSecondMoment && takes_importance(plugin)) return;
    throw Error(ErrorCode::plugin,
                request.statistic == kSecondMoment
                    ? fmt::format("{} requires \"{}\" and has no observe_weighted, which would be "
                                  "given it",
                                  request.who, request.statistic)
                    : fmt::format("{} requires the statistic \"{}\"; observers are given the "
                                  "importance that follows from \"{}\", and nothing else",
                                  request.who, request.statistic, kSecondMoment),
                "choose another observer; report this to the plugin's vendor",
                {.plugin = plugin.id});
  }

  void refuse_without_data(const Request& request, const TensorInfo& weight) const {
    if (program_ != nullptr && config_.has_calibration) return;
    const std::string needs = fmt::format("{} needs the statistic \"{}\" of the inputs of \"{}\"",
                                          request.who, request.statistic, weight.name);
    const Where place = where_in(config_, request.by->pointer, request.by->position, weight.name);
    if (program_ == nullptr)
      throw Error(ErrorCode::config,
                  fmt::format("{}, which only a model that runs (TorchScript) shows; {}", needs,
                              why_not_runnable(model_)),
                  "choose one that looks at weights alone, or give a TorchScript model", place);
    throw Error(ErrorCode::config, fmt::format("{}, and the file has no \"calibration\"", needs),
                "add \"calibration\": {\"data\": \"calibration.safetensors\"}, or choose one that "
                "looks at weights alone",
                place);
  }

  const PluginUse& provider_of(const Request& request, const TensorInfo& weight) const {
    const auto at = config_.statistic_providers.find(request.statistic);
    if (at != config_.statistic_providers.end()) return at->second;
    throw Error(ErrorCode::config,
                fmt::format("{} needs the statistic \"{}\" of the inputs of \"{}\", which no "
                            "installed observer provides",
                            request.who, request.statistic, weight.name),
                "install a plugin that provides it: see `detent plugins list`",
                where_in(config_, request.by->pointer, request.by->position, weight.name));
  }

  // How the operators that use the weight take their inputs, all of them alike.
  Channels channels_seen(const TensorInfo& weight) const {
    const ProgramFacts& facts = program_->facts();
    if (const auto it = facts.out_of_reach.find(weight.name); it != facts.out_of_reach.end())
      return missing(it->second);
    const auto uses = uses_.find(weight.name);
    if (uses == uses_.end()) {
      const auto reader = facts.other_readers.find(weight.name);
      return missing(
          reader == facts.other_readers.end()
              ? "no operator of the program uses it as a weight"
              : fmt::format("it is read by {}, whose inputs are not observed", reader->second));
    }
    std::optional<Channels> all;
    for (const WeightUse* use : uses->second) {
      if (use->op == "embedding") continue;  // its inputs are no numbers, and are not shown
      Channels one = channels_of(*use, weight);
      if (!one.missing.empty()) return one;
      if (all && (all->inner != one.inner || all->dim != one.dim))
        return missing("operators of different kinds use it");
      all = std::move(one);
    }
    return all ? *all : missing("the inputs of an embedding are indices, not numbers");
  }

  void warn(const TensorInfo& weight, const Request& request, const std::string& why) {
    const bool observer = request.by->plugin->kind == PluginKind::observer;
    plan_.warnings.push_back(
        {"importance_missing",
         fmt::format(
             "{} {} \"{}\"{}: {}", request.who,
             observer ? "counts all elements the same in" : "gets no statistic of the inputs of",
             weight.name,
             observer ? fmt::format(", the inputs of \"{}\" are not seen", weight.layer) : "", why),
         {.tensor = weight.name, .layer = weight.layer, .plugin = request.by->plugin->id}});
  }

  const Config& config_;
  const Model& model_;
  const Program* program_;
  Plan& plan_;
  std::map<std::string, std::vector<const WeightUse*>> uses_;
};

}  // namespace

void plan_statistics(const Config& config, const Model& model, const Program* program, Plan& plan) {
  StatisticPlanner(config, model, program, plan).make();
}

std::uint64_t statistic_bytes(const StatisticPlan& statistic, const Model& model) {
  const TensorInfo& weight = model.tensors()[statistic.tensor];
  // What an observer may keep of a channel to add up exactly.
  constexpr std::uint64_t kChannelMemory = 1024;
  std::uint64_t spatial = 1;  // elements that share a channel
  for (std::size_t d = weight.shape.size() - statistic.inner; d < weight.shape.size(); ++d)
    spatial *= static_cast<std::uint64_t>(std::max<std::int64_t>(weight.shape[d], 1));
  const std::uint64_t importance = weight.numel() / spatial * sizeof(double);
  const auto channels =
      static_cast<std::uint64_t>(*std::max_element(weight.shape.begin(), weight.shape.end()));
  return importance + channels * kChannelMemory;
}

}  // namespace detent
