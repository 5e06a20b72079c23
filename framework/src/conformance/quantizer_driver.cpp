// SPDX-License-Identifier: Apache-2.0
#include "conformance/quantizer_driver.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::conformance {
namespace {

// The C side of a PlanRecord.
class PlanSink {
 public:
  PlanSink(PlanRecord& record, Minor minor)
      : sink_({sizeof(detent_plan_sink), &record, &target, &output, &decline, &require_stat,
               &memory, &warn, &meta},
              minor, sizeof(detent_plan_sink)) {}
  const detent_plan_sink* c() const { return sink_.c(); }

 private:
  static PlanRecord& of(const detent_plan_sink* s) { return *static_cast<PlanRecord*>(s->ctx); }

  static std::int32_t DETENT_CALL target(const detent_plan_sink* s,
                                         const detent_qspec* q) noexcept {
    PlanRecord& r = of(s);
    if (q == nullptr || q->struct_size < DETENT_SIZE_UPTO(detent_qspec, scheme)) {
      r.misuse = "its target has no struct_size";
      return DETENT_E_INVALID_ARG;
    }
    if (r.target) r.misuse = "it gave two targets";
    detent_qspec copy{};
    std::memcpy(&copy, q, std::min<std::uint64_t>(q->struct_size, sizeof copy));
    r.scheme = q->scheme != nullptr ? q->scheme : "";
    r.target = copy;
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL output(const detent_plan_sink* s, const detent_tensor_spec* t,
                                         std::uint32_t bound) noexcept {
    PlanRecord& r = of(s);
    if (!is_valid_spec(t)) {
      r.misuse = "it declared a tensor that cannot exist";
      return DETENT_E_INVALID_ARG;
    }
    for (const auto& o : r.outputs)
      if (o.name == t->name) r.misuse = "it declared \"" + o.name + "\" twice";
    r.outputs.push_back({t->name, t->dtype, Shape(t->shape, t->shape + t->ndim), bound != 0});
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL decline(const detent_plan_sink* s, const char* why) noexcept {
    PlanRecord& r = of(s);
    if (r.declined) r.misuse = "it declined twice";
    r.declined = true;
    r.reason = why != nullptr ? why : "";
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL require_stat(const detent_plan_sink* s, const char* id,
                                               const char* tensor) noexcept {
    of(s).stats.push_back(std::string(id) + " of " + tensor);
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL memory(const detent_plan_sink* s, std::uint64_t bytes) noexcept {
    of(s).memory = bytes;
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL warn(const detent_plan_sink* s, const char* code,
                                       const char* message) noexcept {
    if (code == nullptr || message == nullptr) of(s).misuse = "it warned without a text";
    return DETENT_OK;
  }
  static std::int32_t DETENT_CALL meta(const detent_plan_sink* s, const char* key,
                                       const char* json) noexcept {
    if (key == nullptr || json == nullptr) return DETENT_E_INVALID_ARG;
    of(s).meta[key] = json;
    return DETENT_OK;
  }

  Lent<detent_plan_sink> sink_;
};

// Large, whatever part of it is shown: small layers may be declined for their size.
constexpr std::uint64_t kLayerElements = 1 << 20;
constexpr const char* kLayer = "encoder.0.attention.query";

}  // namespace

std::string PlanRecord::summary() const {
  std::string text = declined ? "declined" : "taken";
  for (const Output& o : outputs)
    text += fmt::format(", {} {} {}", o.name, dtype_name(o.dtype), shape_text(o.shape));
  if (target)
    text += fmt::format(", codes {} to {}, granularity {}, axis {}, group {}", target->qmin,
                        target->qmax, target->granularity, target->axis, target->group_size);
  for (const auto& [key, json] : meta) text += ", " + key + "=" + json;
  for (const std::string& stat : stats) text += ", " + stat;
  return text + fmt::format(", {} bytes", memory);
}

std::string PlanRecord::meta_text(const std::string& key) const {
  const auto found = meta.find(key);
  if (found == meta.end() || found->second.size() < 2) return {};
  return found->second.substr(1, found->second.size() - 2);
}

QuantizerUnderTest::QuantizerUnderTest(Subject& subject, World& world, std::uint32_t role)
    : world_(world),
      vtbl_(subject.vtbl<detent_quantizer_vtbl>()),
      configuration_(subject.params(role), role, nullptr, world.minor()) {
  const std::int32_t status = world_.call("create", [&](const detent_call* call) {
    return vtbl_.create(world_.host(), call, configuration_.c(), &handle_);
  });
  const bool refused =
      status == DETENT_E_UNSUPPORTED || status == DETENT_E_PARAMS || status == DETENT_E_NO_MEMORY;
  if (status != DETENT_OK && !refused)
    fail("create returned {}: {}", status_name(status), printable(world_.text()));
}

QuantizerUnderTest::~QuantizerUnderTest() {
  if (handle_ != nullptr) vtbl_.destroy(handle_);
}

std::int32_t QuantizerUnderTest::try_plan(const Weight& weight, PlanRecord& out) {
  const std::string name = std::string(kLayer) + ".weight";
  const detent_tensor_spec spec{name.c_str(), weight.shape.empty() ? nullptr : weight.shape.data(),
                                static_cast<std::int32_t>(weight.shape.size()), weight.dtype};
  const Lent<detent_tensor_info> info({sizeof(detent_tensor_info), &spec, kLayer, weight.layer_type,
                                       "weight", kLayerElements + count_elements(weight.shape)},
                                      world_.minor(), sizeof(detent_tensor_info));
  out = {};
  const PlanSink sink(out, world_.minor());
  return world_.call("plan", [&](const detent_call* call) {
    return vtbl_.plan(handle_, call, info.c(), sink.c());
  });
}

PlanRecord QuantizerUnderTest::plan(const Weight& weight) {
  PlanRecord record;
  const std::int32_t status = try_plan(weight, record);
  if (status != DETENT_OK)
    fail("plan of {} returned {}: {}", shape_text(weight.shape), status_name(status),
         printable(world_.text()));
  return record;
}

std::int32_t QuantizerUnderTest::try_quantize(const detent_tensor& weight,
                                              const detent_tensor_source* stats, Sink& sink) {
  return world_.call("quantize", [&](const detent_call* call) {
    return vtbl_.quantize(handle_, call, &weight, stats, sink.c());
  });
}

Answers QuantizerUnderTest::quantize(const detent_tensor& weight) {
  const Source none({}, {}, world_.minor());
  Sink sink(world_.minor());
  const std::int32_t status = try_quantize(weight, none.c(), sink);
  if (status != DETENT_OK)
    fail("quantize returned {}: {}", status_name(status), printable(world_.text()));
  return sink.take();
}

Answers QuantizerUnderTest::quantize(const Weight& weight) {
  return quantize(*Input(weight.dtype, weight.shape, weight.values));
}

std::int32_t QuantizerUnderTest::try_dequantize(const Source& quantized, const Shape& shape,
                                                std::vector<double>* values) {
  const std::uint64_t n = count_elements(shape);
  const Guarded memory(n * sizeof(float));
  const Shape strides = compact_strides(shape);
  for (std::uint64_t i = 0; i < n; ++i)  // what is not written shows
    write_element(DETENT_F32, std::numeric_limits<double>::quiet_NaN(),
                  memory.data() + i * sizeof(float));
  const detent_tensor out{n != 0 ? memory.data() : nullptr,
                          DETENT_DEVICE_CPU,
                          0,
                          static_cast<std::int32_t>(shape.size()),
                          DETENT_F32,
                          shape.empty() ? nullptr : shape.data(),
                          shape.empty() ? nullptr : strides.data(),
                          0,
                          n * sizeof(float),
                          0};
  const std::int32_t status = world_.call("dequantize", [&](const detent_call* call) {
    return vtbl_.dequantize(handle_, call, quantized.c(), &out);
  });
  expect(memory.canaries_intact(), "dequantize wrote before the beginning of its output");
  if (values != nullptr) *values = read_values(out);
  return status;
}

std::optional<Quantized> work_on(Subject& subject, const Weight& weight, Wishes wishes) {
  Quantized q;
  World world(wishes);
  QuantizerUnderTest quantizer(subject, world);
  if (!quantizer.made()) throw Skip{"it is not for weights: " + printable(world.text())};
  const std::int32_t status = quantizer.try_plan(weight, q.plan);
  if (status == DETENT_E_PARAMS || status == DETENT_E_UNSUPPORTED) {
    expect(!world.text().empty(), "plan of {} returned {} without a text", shape_text(weight.shape),
           status_name(status));
    return {};
  }
  if (status != DETENT_OK)
    fail("plan of {} returned {}: {}", shape_text(weight.shape), status_name(status),
         printable(world.text()));
  if (q.plan.declined) return {};
  if (!q.plan.stats.empty()) throw Skip{"it needs the statistic " + q.plan.stats.front()};
  q.outputs = quantizer.quantize(weight);
  World other(wishes);
  QuantizerUnderTest reader(subject, other);
  const Source source(q.outputs, q.plan.meta, wishes.minor);
  const std::int32_t read = reader.try_dequantize(source, weight.shape, &q.values);
  if (read != DETENT_OK)
    fail("dequantize in an instance of its own returned {}: {}", status_name(read),
         printable(other.text()));
  return q;
}

Weight good_weight(Subject& subject) {
  std::string reason = "create refuses";
  const std::array<std::pair<Shape, const char*>, 4> candidates = {
      {{{24, 96}, "Linear"}, {{256, 256}, "Linear"}, {{24, 8, 3, 3}, "Conv2d"}, {{64, 64}, ""}}};
  for (const auto& [shape, type] : candidates) {
    World world;
    QuantizerUnderTest q(subject, world);
    if (!q.made()) break;
    Weight weight{shape, {}, type};
    const PlanRecord plan = q.plan(weight);
    reason = plan.reason;
    if (plan.declined) continue;
    weight.values = subject.random().bells(count_elements(shape));
    const std::size_t row = weight.values.size() / static_cast<std::size_t>(shape[0]);
    for (std::size_t i = 0; i < weight.values.size(); ++i)
      weight.values[i] *= static_cast<double>(1 + (i / row) % 5) / 4;
    return weight;
  }
  throw Skip{"it declines every weight that the check has: " + printable(reason)};
}

std::vector<double> zero_points_of(const Quantized& q) {
  const auto made = q.outputs.find("zero_point");
  if (made != q.outputs.end()) return made->second.values();
  const detent_qspec& target = *q.plan.target;
  const double middle = target.qmin >= 0 ? static_cast<double>((target.qmax + 1) / 2) : 0;
  return std::vector<double>(count_elements(q.outputs.at("scale").shape), middle);
}

bool is_affine(const Quantized& q) {
  return q.plan.meta_text("scheme") == "detent.affine/1" && q.plan.target.has_value() &&
         q.outputs.contains("scale") && q.outputs.contains("qweight");
}

bool is_rounded(const Quantized& q) { return q.plan.meta_text("algorithm") == "rtn"; }

}  // namespace detent::conformance
