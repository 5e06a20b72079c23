// SPDX-License-Identifier: Apache-2.0
#include "plugin/plan_sink.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "base/text.hpp"
#include "json/parse.hpp"
#include "plugin/affine_rules.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxOutputs = 64;
constexpr std::size_t kMaxTexts = 256;  // warnings, statistics, metadata: of each
constexpr std::size_t kMaxTextBytes = 4096;

// What a callback may say about a call: thrown inside, never through the plugin.
struct Mistake {
  std::string text;
  std::int32_t status = DETENT_E_INVALID_ARG;
};

std::string text_of(const char* text, const char* what) {
  if (text == nullptr) throw Mistake{fmt::format("{} is NULL", what)};
  return std::string(text, ::strnlen(text, kMaxTextBytes));
}

template <class List>
void check_room(const List& list, std::size_t limit, const char* what) {
  if (list.size() >= limit) throw Mistake{fmt::format("more than {} {}", limit, what)};
}

std::string json_text(const char* value, const std::string& key) {
  const std::string text = text_of(value, "a value of the metadata");
  try {
    json::parse(text);
  } catch (const json::ParseError& e) {
    throw Mistake{fmt::format("the metadata \"{}\" are not JSON: {}", printable(key), e.what())};
  }
  return text;
}

}  // namespace

PlanSink::PlanSink(std::size_t ndim, std::uint32_t role) : ndim_(ndim), role_(role) {
  sink_ = {sizeof sink_, this, target, output, decline, require_stat, memory, warn, meta};
}

// The first mistake is kept even when the plugin ignores the status.
template <class F>
std::int32_t PlanSink::guarded(const detent_plan_sink* sink, F f) noexcept {
  auto& self = *static_cast<PlanSink*>(sink->ctx);
  try {
    f(self);
    return DETENT_OK;
  } catch (const Mistake& m) {
    if (self.mistake_.empty()) {
      self.mistake_ = m.text;
      self.unsupported_ = m.status == DETENT_E_UNSUPPORTED;
    }
    return m.status;
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

std::string PlanSink::wrong_in_target(const detent_qspec& spec) const {
  if (spec.symmetric > 1) return "symmetric is neither 0 nor 1";
  if (spec.qmin > spec.qmax) return "qmin lies above qmax";
  if (spec.granularity < DETENT_PER_TENSOR || spec.granularity > DETENT_PER_BLOCK) {
    return fmt::format("the granularity {} is unknown", spec.granularity);
  }
  if (spec.granularity == DETENT_PER_CHANNEL) {
    const bool known = role_ != DETENT_ROLE_ACTIVATION;  // an activation's rank is not
    if (spec.axis < 0 || (known && static_cast<std::size_t>(spec.axis) >= ndim_)) {
      return fmt::format("the axis {} is none of the tensor's", spec.axis);
    }
  }
  if (spec.granularity >= DETENT_PER_GROUP && spec.group_size < 1) return "group_size is below 1";
  if (spec.granularity == DETENT_PER_BLOCK && spec.block_rows < 1) return "block_rows is below 1";
  if (!is_valid_min_scale(spec.min_scale)) return "min_scale is neither 0 nor a normal float32";
  if ((spec.affine_rules & ~DETENT_AFFINE_ALL) != 0) {
    return fmt::format("the affine_rules {:#x} are unknown", spec.affine_rules);
  }
  return {};
}

std::int32_t DETENT_CALL PlanSink::target(const detent_plan_sink* sink,
                                          const detent_qspec* spec) noexcept {
  return guarded(sink, [spec](PlanSink& self) {
    if (spec == nullptr) throw Mistake{"the target is NULL"};
    if (spec->struct_size < DETENT_SIZE_UPTO(detent_qspec, scheme)) {
      throw Mistake{fmt::format("the target has {} bytes", spec->struct_size)};
    }
    if (self.plan_.target) throw Mistake{"two targets"};
    QuantTarget made;  // what a shorter struct lacks stays 0: our own rule
    std::memcpy(&made.spec, spec, std::min<std::uint64_t>(spec->struct_size, sizeof made.spec));
    const std::string wrong = self.wrong_in_target(made.spec);
    if (!wrong.empty()) throw Mistake{"in the target " + wrong};
    made.scheme = text_of(spec->scheme, "the scheme of the target");
    made.spec.struct_size = sizeof made.spec;
    made.spec.scheme = nullptr;  // the plugin's; c() puts ours in
    self.plan_.target = std::move(made);
  });
}

std::int32_t DETENT_CALL PlanSink::output(const detent_plan_sink* sink,
                                          const detent_tensor_spec* spec,
                                          std::uint32_t bound) noexcept {
  return guarded(sink, [spec, bound](PlanSink& self) {
    if (!is_valid_spec(spec)) {
      throw Mistake{"an output without a name, or of a shape that cannot exist"};
    }
    auto& outputs = self.plan_.outputs;
    check_room(outputs, kMaxOutputs, "outputs");
    if (bound != 0) {  // what a file's table says has to be known before it is written
      throw Mistake{
          fmt::format("the size of the output \"{}\" is only a bound, and this host takes "
                      "exact shapes",
                      printable(spec->name)),
          DETENT_E_UNSUPPORTED};
    }
    const auto is_it = [&](const PlannedTensor& p) { return p.name == spec->name; };
    if (std::any_of(outputs.begin(), outputs.end(), is_it)) {
      throw Mistake{fmt::format("the output \"{}\" twice", printable(spec->name))};
    }
    outputs.push_back({spec->name, spec->dtype, {spec->shape, spec->shape + spec->ndim}});
  });
}

std::int32_t DETENT_CALL PlanSink::decline(const detent_plan_sink* sink,
                                           const char* reason) noexcept {
  return guarded(sink, [reason](PlanSink& self) {
    std::string text = text_of(reason, "the reason to decline");
    if (text.empty()) throw Mistake{"the reason to decline is empty"};
    self.plan_.declined = printable(text);
  });
}

std::int32_t DETENT_CALL PlanSink::require_stat(const detent_plan_sink* sink, const char* stat,
                                                const char* tensor) noexcept {
  return guarded(sink, [stat, tensor](PlanSink& self) {
    std::string id = text_of(stat, "a required statistic");
    const std::string of = text_of(tensor, "the tensor of a required statistic");
    const bool of_input = of == "input" && self.role_ == DETENT_ROLE_WEIGHT;
    if (of != "weight" && !of_input) {
      throw Mistake{
          fmt::format("the statistic \"{}\" of \"{}\" is asked for, and this host collects "
                      "those of {}",
                      printable(id), printable(of),
                      self.role_ == DETENT_ROLE_WEIGHT ? R"("weight" and "input")" : R"("weight")"),
          DETENT_E_UNSUPPORTED};
    }
    auto& list = of_input ? self.plan_.required_input_stats : self.plan_.required_stats;
    check_room(list, kMaxTexts, "required statistics");
    list.push_back(std::move(id));
  });
}

std::int32_t DETENT_CALL PlanSink::memory(const detent_plan_sink* sink,
                                          std::uint64_t bytes) noexcept {
  return guarded(sink, [bytes](PlanSink& self) { self.plan_.memory_bytes = bytes; });
}

std::int32_t DETENT_CALL PlanSink::warn(const detent_plan_sink* sink, const char* code,
                                        const char* message) noexcept {
  return guarded(sink, [code, message](PlanSink& self) {
    check_room(self.plan_.warnings, kMaxTexts, "warnings");
    self.plan_.warnings.push_back({printable(text_of(code, "the code of a warning")),
                                   printable(text_of(message, "the text of a warning"))});
  });
}

std::int32_t DETENT_CALL PlanSink::meta(const detent_plan_sink* sink, const char* key,
                                        const char* value_json) noexcept {
  return guarded(sink, [key, value_json](PlanSink& self) {
    auto& list = self.plan_.meta;
    check_room(list, kMaxTexts, "metadata");
    std::string name = text_of(key, "a key of the metadata");
    std::string value = json_text(value_json, name);
    const auto is_it = [&](const auto& m) { return m.first == name; };
    if (name.empty() || std::any_of(list.begin(), list.end(), is_it)) {
      throw Mistake{fmt::format("the metadata \"{}\" twice, or without a name", printable(name))};
    }
    list.emplace_back(std::move(name), std::move(value));
  });
}

void PlanSink::check_whole() {
  if (!mistake_.empty()) return;
  const bool declined = !plan_.declined.empty();
  if (declined && !plan_.outputs.empty()) {
    mistake_ = "it declines the tensor and declares outputs for it";
  }
  if (declined || !mistake_.empty()) return;
  // Of an activation only scale and zero point are stored, which come from the target.
  const bool target_is_enough = role_ == DETENT_ROLE_ACTIVATION && plan_.target.has_value();
  if (plan_.outputs.empty() && !target_is_enough) {
    mistake_ = "it neither declares an output nor declines";
    return;
  }
  const auto is_scheme = [](const auto& m) { return m.first == "scheme"; };
  if (!plan_.outputs.empty() && std::none_of(plan_.meta.begin(), plan_.meta.end(), is_scheme)) {
    mistake_ = "the metadata \"scheme\" are missing";
  }
}

}  // namespace detent
