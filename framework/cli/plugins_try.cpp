// SPDX-License-Identifier: Apache-2.0
// plugins try: one observer or quantizer on the tensors of a file.
#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <limits>

#include "artifact/artifact.hpp"
#include "base/dtype.hpp"
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/try_target.hpp"
#include "config/schema.hpp"
#include "json/parse.hpp"
#include "quantize/rounding.hpp"
#include "report/observer_page.hpp"

namespace detent::cli {
namespace {

std::vector<const TensorInfo*> in_name_order(const Model& model) {
  std::vector<const TensorInfo*> tensors;
  for (const TensorInfo& t : model.tensors()) tensors.push_back(&t);
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->name < b->name; });
  return tensors;
}

json::Object checked_params(const Plugin& plugin, const std::string& text, const char* role) {
  const json::Value given = parse_option("--params", text);
  std::vector<Problem> problems;
  for (const SchemaProblem& p :
       check_against_schema(given, plugin.params_schema,
                            fmt::format("{} \"{}\"", to_string(plugin.kind), plugin.id)))
    problems.push_back({p.message, p.hint, {.file = "--params", .pointer = p.pointer}});
  if (!problems.empty()) throw Error(ErrorCode::config, std::move(problems));
  return with_defaults(*given.if_object(), plugin.params_schema, role);
}

// The tensor's values as doubles; empty when it is not there.
std::vector<double> numbers(const TensorStore& store, const char* name) {
  std::vector<double> values;
  const HostTensor* tensor = store.find(name);
  if (tensor == nullptr) return values;
  const detent_tensor view = tensor->read_only();
  const auto copy = [&]<class T>(T) {
    for (std::uint64_t i = 0; i < tensor->numel(); ++i) {
      T v;
      std::memcpy(&v, static_cast<const char*>(view.data) + i * sizeof(T), sizeof(T));
      values.push_back(static_cast<double>(v));
    }
  };
  switch (tensor->dtype()) {
    case DETENT_F32: copy(float{}); break;
    case DETENT_F64: copy(double{}); break;
    case DETENT_I8: copy(std::int8_t{}); break;
    case DETENT_U8: copy(std::uint8_t{}); break;
    case DETENT_I32: copy(std::int32_t{}); break;
    case DETENT_I64: copy(std::int64_t{}); break;
    case DETENT_U64: copy(std::uint64_t{}); break;
    default: break;
  }
  return values;
}

json::Array to_array(const std::vector<double>& values) {
  json::Array list;
  for (const double v : values) list.push_back(json::number(v));
  return list;
}

json::Array integers(const std::vector<double>& values) {
  json::Array list;
  for (const double v : values) list.push_back(static_cast<std::int64_t>(v));
  return list;
}

// What the codes can stand for, or what the observer says it chose.
json::Array ranges(const TensorStore& qparams, const QuantTarget& target,
                   const std::vector<double>& scale, const std::vector<double>& zero) {
  const std::vector<double> low = numbers(qparams, "range_min");
  const std::vector<double> high = numbers(qparams, "range_max");
  json::Array list;
  for (std::size_t i = 0; i < scale.size(); ++i) {
    const bool given = i < low.size() && i < high.size();
    const double lo = given ? low[i] : (static_cast<double>(target.spec.qmin) - zero[i]) * scale[i];
    const double hi =
        given ? high[i] : (static_cast<double>(target.spec.qmax) - zero[i]) * scale[i];
    list.push_back(json::Array{json::number(lo), json::number(hi)});
  }
  return list;
}

std::int64_t counted(const TensorStore& counts, const char* name) {
  const std::vector<double> values = numbers(counts, name);
  return values.empty() ? 0 : static_cast<std::int64_t>(values[0]);
}

// Statistics beyond ranges, counts and histograms: every tensor of them under its name.
json::Object own_statistics(const Plugin& plugin, const Observer& observer) {
  constexpr std::array<std::string_view, 3> kShown = {"stat:minmax/1", "stat:counts/1",
                                                      "stat:histogram/1"};
  json::Object facts;
  for (const std::string& stat : plugin.provides) {
    if (!observer.provides(stat) || !is_statistic(stat) ||
        std::find(kShown.begin(), kShown.end(), stat) != kShown.end())
      continue;
    TensorStore tensors;
    observer.compute_stat(stat, tensors);
    for (const auto& t : tensors.tensors()) {
      const bool real = t->dtype() == DETENT_F32 || t->dtype() == DETENT_F64;
      const std::vector<double> values = numbers(tensors, t->name().c_str());
      facts.set(t->name(), real ? to_array(values) : integers(values));
    }
  }
  return facts;
}

json::Object chosen_range(const TensorStore& qparams, const QuantTarget& target) {
  const std::vector<double> scale = numbers(qparams, "scale");
  std::vector<double> zero = numbers(qparams, "zero_point");
  // Symmetric codes that cannot be negative have their zero in the middle.
  const std::int64_t middle = target.spec.qmin >= 0 ? (target.spec.qmax + 1) / 2 : 0;
  zero.resize(scale.size(), static_cast<double>(middle));
  return {{"scale", to_array(scale)},
          {"zero_point", integers(zero)},
          {"range", ranges(qparams, target, scale, zero)}};
}

// What the observer says. One that only provides statistics refuses to choose a range: then its
// reason stands in place of that.
json::Object try_observer(const Plugin& plugin, const TryOptions& options, const Model& model,
                          ThreadPool& pool) {
  const QuantTarget target = parse_target(options.target);
  Observer observer(plugin, pool,
                    {.params = checked_params(plugin, options.params, ""),
                     .target = options.data.filename().string(),
                     .role = DETENT_ROLE_NONE,  // what the data are is nobody's business here
                     .qspec = &target});
  for (const TensorInfo* info : in_name_order(model))
    observer.observe(read_tensor(model, *info)->read_only());
  json::Object result;
  const json::Object own = own_statistics(plugin, observer);
  try {
    TensorStore qparams;
    observer.compute_qparams(target, qparams);
    result = chosen_range(qparams, target);
  } catch (const Error& refused) {
    const bool shows_more = !own.empty() && options.html.empty();
    if (refused.code() != ErrorCode::quantization || !shows_more) throw;
    result.set("no_range", refused.problems().front().message);
  }
  TensorStore stats;
  for (const char* stat : {"stat:minmax/1", "stat:counts/1", "stat:histogram/1"})
    if (observer.provides(stat)) observer.compute_stat(stat, stats);
  if (observer.provides("stat:minmax/1")) {
    result.set("min", to_array(numbers(stats, "min")));
    result.set("max", to_array(numbers(stats, "max")));
  }
  result.set("observed", counted(stats, "observed"));
  result.set("non_finite", counted(stats, "non_finite"));
  for (const json::Member& fact : own) result.set(fact.key, fact.value);
  if (!options.html.empty())
    write_observer_page(options.html, plugin.id, result, numbers(stats, "counts"),
                        numbers(stats, "origin"), numbers(stats, "width"));
  return result;
}

json::Value try_quantizer(const Plugin& plugin, const TryOptions& options, const Model& model,
                          ThreadPool& pool) {
  const json::Object params = checked_params(plugin, options.params, "weight");
  json::Array results;
  for (const TensorInfo* info : in_name_order(model)) {
    Quantizer quantizer(plugin, pool,
                        {.params = params, .target = info->name, .role = DETENT_ROLE_WEIGHT});
    // Asked as the weight of a large layer: the question is what the quantizer does to these
    // numbers, not whether a pipeline would leave so small a layer alone.
    const QuantizerPlan plan =
        quantizer.plan({info->name, info->dtype, info->shape, info->layer, "", "weight",
                        std::numeric_limits<std::int64_t>::max()});
    if (!plan.declined.empty()) {
      results.push_back(json::Object{{"name", info->name}, {"declined", plan.declined}});
      continue;
    }
    const auto weight = read_tensor(model, *info);
    const NonFinite bad = count_non_finite(info->dtype, weight->bytes(), pool);
    if (bad.count > 0)
      throw Error(ErrorCode::quantization,
                  fmt::format("\"{}\" holds {} values that are not finite", info->name, bad.count),
                  "", {.tensor = info->name});
    TensorStore stats;
    TensorStore out;
    quantizer.quantize(weight->read_only(), stats, out);
    HostTensor back(info->name, DETENT_F32, info->shape);
    quantizer.dequantize(out, back.view());
    const QuantizationError error =
        measure_error(info->dtype, weight->bytes(),
                      {reinterpret_cast<const float*>(back.bytes().data()), back.numel()}, pool);
    std::optional<QuantizationError> plain;
    if (plan.target)
      plain = measure_rounding(*plan.target, info->shape, info->dtype, weight->bytes(), pool);
    const HostTensor* scale = out.find("scale");
    std::uint64_t bytes = 0;
    for (const auto& t : out.tensors()) bytes += t->bytes().size();
    results.push_back(json::Object{
        {"name", info->name},
        {"scale_shape", scale != nullptr
                            ? json::Value(json::Array(scale->shape().begin(), scale->shape().end()))
                            : json::Value()},
        {"sqnr_db", json::number(error.sqnr_db())},
        {"gain_db", plain ? json::number(gain_db(error, *plain)) : json::Value()},
        {"mse", json::number(error.mse())},
        {"cosine", json::number(error.cosine())},
        {"max_abs_error", json::number(error.max_abs_error)},
        {"bytes", bytes}});
  }
  return json::Object{{"tensors", std::move(results)}};
}

void print_facts(const json::Object& facts) {
  for (const json::Member& m : facts) {
    const json::Array* list = m.value.if_array();
    const bool single = list != nullptr && list->size() == 1;
    print_text(fmt::format("{:<12} {}\n", m.key, json::dump(single ? list->front() : m.value)));
  }
}

}  // namespace

int plugins_try(const Globals& globals, const TryOptions& options) {
  const Registry registry = installed_plugins(globals);
  const Plugin* quantizer = registry.find(PluginKind::quantizer, options.id);
  const Plugin* observer = registry.find(PluginKind::observer, options.id);
  if (observer == nullptr && quantizer == nullptr)
    observer = &registry.get(PluginKind::observer, options.id);
  const auto model = open_model(options.data, {});
  ThreadPool pool;
  if (observer != nullptr) {
    const json::Object facts = try_observer(*observer, options, *model, pool);
    if (globals.json)
      print_json(facts);
    else
      print_facts(facts);
    return 0;
  }
  if (!options.target.empty())
    throw Error(ErrorCode::config,
                "--target is for observers: a quantizer's target follows from its parameters",
                "give --params");
  const json::Value facts = try_quantizer(*quantizer, options, *model, pool);
  if (globals.json) {
    print_json(facts);
  } else {
    for (const json::Value& t : *facts.at_pointer("/tensors")->if_array())
      print_text(json::dump(t) + "\n");
  }
  return 0;
}

}  // namespace detent::cli
