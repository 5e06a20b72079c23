// SPDX-License-Identifier: Apache-2.0
#include "conformance/life.hpp"

#include <algorithm>

#include "conformance/observer_data.hpp"
#include "conformance/observer_driver.hpp"
#include "conformance/quantizer_driver.hpp"
#include "conformance/writing_life.hpp"

namespace detent::conformance {
namespace {

std::string text_of(const Answers& answers) {
  std::string text;
  for (const auto& [name, made] : answers) text += name + shape_text(made.shape) + made.bytes;
  return text;
}

// The first target that the plugin takes; looked for with a host that obliges.
const Target& usable_target(Subject& subject) {
  for (const Target& target : all_targets()) {
    World world;
    if (ObserverUnderTest(subject, world, target).made()) return target;
  }
  throw Skip{"create refuses every target that the check has"};
}

std::string live_as_observer(Subject& subject, World& world) {
  const Target& target = usable_target(subject);
  ObserverUnderTest o(subject, world, target);
  if (!o.made()) return "not made";
  const std::uint64_t batches = takes_batches(subject, target) ? 2 : 1;
  for (std::uint64_t i = 0; i < batches; ++i) {
    const Input x(DETENT_F32, kShape, sample(subject, 1, i));
    const std::int32_t status = o.try_observe(*x);
    if (status != DETENT_OK) return "observe: " + status_name(status);
  }
  Answers q;
  const std::int32_t asked = o.try_qparams(&q);
  std::string all = status_name(asked) + text_of(q);
  Bytes state;
  const std::int32_t saved = world.call("save_state", [&](const detent_call* call) {
    return o.vtbl().save_state(o.handle(), call, state.out());
  });
  if (saved != DETENT_OK) return all + "save_state: " + status_name(saved);
  ObserverUnderTest other(subject, world, target);
  if (!other.made()) return all + "not made";
  all += status_name(other.load(state.content()));
  if (o.can_merge())
    all += status_name(world.call("merge", [&](const detent_call* call) {
      return o.vtbl().merge(o.handle(), call, other.handle());
    }));
  const std::int32_t reset = world.call(
      "reset", [&](const detent_call* call) { return o.vtbl().reset(o.handle(), call); });
  return all + state.content() + status_name(reset);
}

std::string live_as_quantizer(Subject& subject, World& world) {
  const Weight weight = good_weight(subject);
  QuantizerUnderTest q(subject, world);
  if (!q.made()) return "not made";
  PlanRecord plan;
  const std::int32_t planned = q.try_plan(weight, plan);
  if (planned != DETENT_OK) return "plan: " + status_name(planned);
  const Source none({}, {}, world.minor());
  Sink sink(world.minor());
  const Input x(weight.dtype, weight.shape, weight.values);
  const std::int32_t made = q.try_quantize(*x, none.c(), sink);
  if (made != DETENT_OK) return "quantize: " + status_name(made);
  const Answers outputs = sink.take();
  const Source stored(outputs, plan.meta, world.minor());
  std::vector<double> values;
  const std::int32_t read = q.try_dequantize(stored, weight.shape, &values);
  std::string all = plan.summary() + text_of(outputs) + status_name(read);
  for (const double v : values) all += fmt::format(" {}", v);
  return all;
}

void provoke_observer(Subject& subject, World& world, const Refusal& refused) {
  const Target& target = usable_target(subject);
  ObserverUnderTest o(subject, world, target);
  refused("compute_qparams without data", o.try_qparams(), world.text());
  const Input unknown(DETENT_DTYPE(99, 32), kShape, std::vector<double>(kElements));
  refused("observe of an unknown dtype", o.try_observe(*unknown), world.text());
  refused("load_state of nothing", o.load({}), world.text());
  refused("load_state of what is no state", o.load("what is no state"), world.text());
  o.observe(*Input(DETENT_F32, kShape, sample(subject)));
  Bytes full({}, 1, 0);
  const std::int32_t saved = world.call("save_state", [&](const detent_call* call) {
    return o.vtbl().save_state(o.handle(), call, full.out());
  });
  refused("save_state to a stream that fails", saved, world.text());
  Target other = target;
  other.spec.affine_rules = UINT64_C(1) << 60;
  Sink sink;
  const std::int32_t ruled = world.call("compute_qparams", [&](const detent_call* call) {
    return o.vtbl().compute_qparams(o.handle(), call, &other.spec, sink.c());
  });
  refused("compute_qparams with a rule from the future", ruled, world.text());
}

void provoke_quantizer(Subject& subject, World& world, const Refusal& refused) {
  const Weight weight = good_weight(subject);
  QuantizerUnderTest q(subject, world);
  const Source nothing;
  refused("dequantize of nothing", q.try_dequantize(nothing, weight.shape), world.text());
  q.plan(weight);
  Sink sink;
  const Input unknown(DETENT_DTYPE(99, 32), weight.shape,
                      std::vector<double>(weight.values.size()));
  refused("quantize of an unknown dtype", q.try_quantize(*unknown, nothing.c(), sink),
          world.text());
}

}  // namespace

std::string live(Subject& subject, World& world) {
  const unsigned kind = subject.kind();
  if (kind == kObserver) return live_as_observer(subject, world);
  if (kind == kQuantizer) return live_as_quantizer(subject, world);
  return kind == kSerializer ? live_as_serializer(subject, world)
                             : live_as_validator(subject, world);
}

void provoke(Subject& subject, World& world, const Refusal& refused) {
  if (subject.kind() == kObserver) return provoke_observer(subject, world, refused);
  if (subject.kind() == kQuantizer) return provoke_quantizer(subject, world, refused);
  if (subject.kind() == kSerializer) return provoke_serializer(subject, world, refused);
  throw Skip{"its refusals are those of its own cases"};
}

std::int32_t work_long(Subject& subject, World& world, std::uint64_t elements) {
  const auto rows = static_cast<std::int64_t>(elements / 4096);
  const Shape shape = {rows, 4096};
  const Input x = Input::broadcast(DETENT_F32, shape, 0.5);
  if (subject.kind() == kObserver) {
    ObserverUnderTest o(subject, world, usable_target(subject));
    return o.try_observe(*x);
  }
  if (subject.kind() != kQuantizer) throw Skip{"its calls are not about the data"};
  good_weight(subject);
  QuantizerUnderTest q(subject, world);
  if (q.plan({shape, {}}).declined) throw Skip{"it declines large weights"};
  const Source none;
  Sink sink;
  return q.try_quantize(*x, none.c(), sink);
}

}  // namespace detent::conformance
