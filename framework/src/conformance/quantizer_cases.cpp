// SPDX-License-Identifier: Apache-2.0
// Cases of plan, and of what quantize makes of weights.
#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <limits>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_driver.hpp"
#include "conformance/process_state.hpp"
#include "conformance/quantizer_driver.hpp"
#include "json/parse.hpp"

namespace detent::conformance {
namespace {

Quantized work(Subject& subject, const Weight& weight) {
  std::optional<Quantized> q = work_on(subject, weight);
  expect(q.has_value(), "it takes a weight of {} once, and declines it later",
         shape_text(weight.shape));
  return std::move(*q);
}

// ---- plan

std::string takes(Subject& subject) {
  for (const Shape& shape : {Shape{1, 1}, Shape{7}, Shape{}, Shape{0, 8}, Shape{3, 0},
                             Shape{5, 130}, Shape{2, 3, 4, 5, 6}}) {
    World world;
    QuantizerUnderTest q(subject, world);
    PlanRecord plan;
    const std::int32_t status = q.try_plan({shape, {}}, plan);
    expect(plan.misuse.empty(), "plan of {}: {}", shape_text(shape), plan.misuse);
    if (status != DETENT_OK) {
      expect(status == DETENT_E_PARAMS || status == DETENT_E_UNSUPPORTED, "plan of {} returned {}",
             shape_text(shape), status_name(status));
      expect(!world.text().empty(), "plan of {} refused without a text", shape_text(shape));
      continue;
    }
    expect(plan.declined != !plan.outputs.empty(), "plan of {} {}", shape_text(shape),
           plan.declined ? "declined and yet declared outputs"
                         : "neither declined nor declared outputs");
    expect(!plan.declined || !plan.reason.empty(), "plan of {} declined without a reason",
           shape_text(shape));
  }
  good_weight(subject);
  return {};
}

std::string plan_pure(Subject& subject) {
  const Weight weight = good_weight(subject);
  World world;
  QuantizerUnderTest q(subject, world);
  const std::string first = q.plan(weight).summary();
  const std::string second = q.plan(weight).summary();
  expect(first == second, "asked twice, plan said \"{}\", then \"{}\"", first, second);
  QuantizerUnderTest other(subject, world);
  other.plan({{40, 320}, {}});
  other.quantize(weight);
  expect(other.plan(weight).summary() == first, "after other work plan says something else");
  return {};
}

std::string plan_cheap(Subject& subject) {
  World world;
  QuantizerUnderTest q(subject, world);
  if (!q.made()) throw Skip{"it is not for weights"};
  timespec begin{};
  timespec end{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  PlanRecord plan;
  (void)q.try_plan({{1 << 20, 1 << 14}, {}}, plan);
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  const double ms = static_cast<double>(end.tv_sec - begin.tv_sec) * 1e3 +
                    static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e6;
  expect(ms < 100, "plan of a tensor of 2^34 elements took {:.0f} ms of processor time", ms);
  expect(world.peak_bytes() < 1 << 20, "plan took {} of the host's memory",
         human_bytes(world.peak_bytes()));
  return {};
}

std::string plan_meta(Subject& subject) {
  const PlanRecord plan = work(subject, good_weight(subject)).plan;
  expect(plan.meta.contains("scheme"), "plan gave no metadata \"scheme\"");
  for (const auto& [key, json] : plan.meta) {
    try {
      json::parse(json);
    } catch (const json::ParseError& e) {
      fail("metadata {} is not JSON: {}", key, e.what());
    }
  }
  if (!plan.target) return {};
  expect(plan.target->qmin < plan.target->qmax, "the target's codes are {} to {}",
         plan.target->qmin, plan.target->qmax);
  expect(!plan.scheme.empty(), "the target has no scheme");
  return {};
}

std::string declared(Subject& subject) {
  const Quantized q = work(subject, good_weight(subject));
  for (const PlanRecord::Output& o : q.plan.outputs) {
    const auto made = q.outputs.find(o.name);
    expect(made != q.outputs.end(), "plan declared \"{}\", and quantize did not make it", o.name);
    expect(made->second.dtype == o.dtype, "\"{}\" is {}, plan said {}", o.name,
           dtype_name(made->second.dtype), dtype_name(o.dtype));
    const bool same = made->second.shape == o.shape;
    const bool fits = o.bound && count_elements(made->second.shape) <= count_elements(o.shape);
    expect(same || fits, "\"{}\" has the shape {}, plan said {}", o.name,
           shape_text(made->second.shape), shape_text(o.shape));
  }
  expect(q.outputs.size() == q.plan.outputs.size(), "plan declared {} outputs, quantize made {}",
         q.plan.outputs.size(), q.outputs.size());
  return {};
}

std::string memory(Subject& subject) {
  good_weight(subject);
  World world;
  QuantizerUnderTest q(subject, world);
  const Shape shape = {2048, 2048};
  const PlanRecord plan = q.plan({shape, {}});
  if (plan.declined || !plan.stats.empty()) throw Skip{"it declines a weight of 2048 x 2048"};
  const Input weight(DETENT_F32, shape, subject.random().bells(count_elements(shape)));
  const std::uint64_t before = peak_bytes();
  const Answers outputs = q.quantize(*weight);
  std::uint64_t made = 0;
  for (const auto& [name, m] : outputs)
    made += 2 * m.bytes.size();  // the sink's, and the copy here
  const std::uint64_t grown = peak_bytes() - before;
  constexpr std::uint64_t kRoom = 8 << 20;
  expect(world.peak_bytes() <= plan.memory, "took {} by alloc and scratch; plan said {}",
         human_bytes(world.peak_bytes()), human_bytes(plan.memory));
  expect(grown <= made + plan.memory + kRoom,
         "the process grew by {} beside {} of outputs; plan said {}", human_bytes(grown - made),
         human_bytes(made / 2), human_bytes(plan.memory));
  return {};
}

// ---- numbers

void expect_codes(const Quantized& q) {
  if (!is_affine(q)) return;
  const detent_qspec& t = *q.plan.target;
  for (const double code : q.outputs.at("qweight").values())
    expect(code >= static_cast<double>(t.qmin) && code <= static_cast<double>(t.qmax),
           "a code is {}, the target has {} to {}", code, t.qmin, t.qmax);
  for (const double s : q.outputs.at("scale").values())
    expect(std::isfinite(s) && s > 0, "a scale is {}", s);
}

std::string codes(Subject& subject) {
  const Quantized q = work(subject, good_weight(subject));
  if (!is_affine(q)) throw Skip{"its scheme is " + q.plan.meta_text("scheme")};
  expect_codes(q);
  return {};
}

// real = scale * (code - zero_point), as whoever reads the file computes it.
std::string meaning(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized q = work(subject, weight);
  if (!is_affine(q)) throw Skip{"its scheme is " + q.plan.meta_text("scheme")};
  const std::vector<std::size_t> index = scale_index(*q.plan.target, weight.shape);
  const std::vector<double> scale = q.outputs.at("scale").values();
  const std::vector<double> zero = zero_points_of(q);
  const std::vector<double> code = q.outputs.at("qweight").values();
  for (std::size_t i = 0; i < code.size(); ++i) {
    const double real = scale.at(index[i]) * (code[i] - zero.at(index[i]));
    expect(std::abs(q.values[i] - real) <= std::abs(real) * 1e-6,
           "element {}: dequantize gives {}, scale * (code - zero_point) is {}", i, q.values[i],
           real);
  }
  return {};
}

double sqnr(const std::vector<double>& x, const std::vector<double>& y) {
  double signal = 0;
  double noise = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    signal += x[i] * x[i];
    noise += (x[i] - y[i]) * (x[i] - y[i]);
  }
  return noise == 0 ? 1000 : signal == 0 ? -1000 : 10 * std::log10(signal / noise);
}

// Half a step where the codes reach, and what lies beyond them.
void expect_half_steps(const Quantized& q, const Weight& weight) {
  const detent_qspec& t = *q.plan.target;
  const std::vector<std::size_t> index = scale_index(t, weight.shape);
  const std::vector<double> scale = q.outputs.at("scale").values();
  const std::vector<double> zero = zero_points_of(q);
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    const double s = scale.at(index[i]);
    const double z = zero.at(index[i]);
    const double x = weight.values[i];
    const double low = s * (static_cast<double>(t.qmin) - z);
    const double high = s * (static_cast<double>(t.qmax) - z);
    const double beyond = std::max({0.0, low - x, x - high});
    const double most = 0.5001 * s + beyond + std::abs(x) * 1e-6;
    expect(std::abs(q.values[i] - x) <= most,
           "element {}: {} became {}, more than half a step of {}", i, x, q.values[i], s);
  }
}

// Returns the signal-to-noise ratio in dB.
double expect_near(const Quantized& q, const Weight& weight) {
  // A cast may overflow where its type ends.
  const double most = is_affine(q) ? std::numeric_limits<double>::max() : 6e4;
  for (std::size_t i = 0; i < q.values.size(); ++i)
    expect(std::isfinite(q.values[i]) || std::abs(weight.values[i]) > most,
           "element {}: {} became {}", i, weight.values[i], q.values[i]);
  expect_codes(q);
  if (is_affine(q) && is_rounded(q)) expect_half_steps(q, weight);
  return sqnr(weight.values, q.values);
}

std::string error(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized q = work(subject, weight);
  const double db = expect_near(q, weight);
  expect(db > 6, "only {:.1f} dB of the weight are left", db);
  return fmt::format("{:.1f} dB", db);
}

std::string extremes(Subject& subject) {
  const Weight good = good_weight(subject);
  const std::size_t n = good.values.size();
  std::vector<double> outlier = good.values;
  outlier[n / 2] = 3e38;
  std::vector<double> alternating(n);
  for (std::size_t i = 0; i < n; ++i) alternating[i] = i % 2 == 0 ? 3.4e38 : -3.4e38;
  const std::array<std::pair<const char*, std::vector<double>>, 7> all = {
      {{"zeros", std::vector<double>(n, 0)},
       {"one positive value everywhere", std::vector<double>(n, 0.75)},
       {"one negative value everywhere", std::vector<double>(n, -3)},
       {"denormal values", subject.random().bells(n, 1e-40)},
       {"one outlier of 3e38", outlier},
       {"the largest values", alternating},
       {"values far from 0", subject.random().bells(n, 0.01, 100)}}};
  for (const auto& [what, values] : all) {
    try {
      Weight weight = good;
      weight.values = values;
      const Quantized q = work(subject, weight);
      expect_near(q, weight);
      if (values[0] == 0)
        for (const double v : q.values) expect(v == 0, "0 became {}", v);
    } catch (Failure& f) {
      f.message = std::string(what) + ": " + f.message;
      throw;
    }
  }
  return {};
}

std::string shapes(Subject& subject) {
  good_weight(subject);
  std::size_t taken = 0;
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 7}, Shape{7, 1}, Shape{3, 33}, Shape{5, 130},
                             Shape{3, 257}, Shape{2, 3, 3, 3}, Shape{13}, Shape{4, 1, 5}}) {
    const Weight weight{shape, subject.random().bells(count_elements(shape)),
                        shape.size() == 4 ? "Conv2d" : "Linear"};
    try {
      const std::optional<Quantized> q = work_on(subject, weight);
      if (!q) continue;
      ++taken;
      expect_near(*q, weight);
    } catch (Failure& f) {
      f.message = shape_text(shape) + ": " + f.message;
      throw;
    }
  }
  return fmt::format("{} of 9 shapes taken", taken);
}

constexpr std::array<Case, 11> kCases = {{
    {"quantizer.plan_decides", kQuantizer,
     "plan takes a tensor by declaring outputs or declines it with a reason (abi/quantizer.h, "
     "detent_plan_sink).",
     "call output at least once, or decline once", &takes},
    {"quantizer.plan_pure", kQuantizer, "plan says the same each time (abi/quantizer.h, plan).",
     "let plan depend on parameters and the tensor's description alone", &plan_pure},
    {"quantizer.plan_cheap", kQuantizer,
     "plan costs nothing, whatever the size (abi/quantizer.h, plan).",
     "compute shapes, allocate nothing", &plan_cheap},
    {"quantizer.plan_meta", kQuantizer,
     "Metadata are JSON, \"scheme\" is among them, a target has codes (abi/quantizer.h, meta).",
     "planner.meta(\"scheme\", \"\\\"vendor.scheme/1\\\"\")", &plan_meta},
    {"quantizer.plan_outputs", kQuantizer,
     "quantize makes what plan declared, and nothing else (abi/quantizer.h, output).",
     "create each output of plan with the dtype and shape that plan said", &declared},
    {"quantizer.plan_memory", kQuantizer,
     "Scratch and kept memory stay within what plan said (abi/quantizer.h, memory).",
     "work in blocks, or call planner.memory with what is needed", &memory},
    {"quantizer.codes", kQuantizer,
     "Codes lie within qmin and qmax, scales are finite and positive (abi/base.h, detent_qspec).",
     "clamp after rounding", &codes},
    {"quantizer.meaning", kQuantizer,
     "real = scale * (code - zero_point), for \"detent.affine/1\" (abi/base.h, detent_qspec).",
     "see the axis of the channels, the sign of the zero point and the packing of codes", &meaning},
    {"quantizer.error", kQuantizer,
     "Rounded to nearest, no value moves by more than half a step; other schemes leave more than 6 "
     "dB "
     "(abi/quantizer.h).",
     "round to nearest with the scale that is stored, as float32", &error},
    {"quantizer.extremes", kQuantizer,
     "Zeros, constants, denormal and huge values come back finite (abi/quantizer.h, quantize).",
     "a zero range has the scale 1; hi - lo may overflow float32", &extremes},
    {"quantizer.shapes", kQuantizer,
     "Odd sizes, short groups, one element and other dimensions work where they are taken "
     "(abi/base.h, DETENT_PER_GROUP).",
     "a short last group is a group; rows of packed codes begin on a byte", &shapes},
}};

}  // namespace

std::span<const Case> quantizer_cases() { return kCases; }

}  // namespace detent::conformance
