// SPDX-License-Identifier: Apache-2.0
// Cases of quantizers: independence of rows, determinism, memory, and reading codes back.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_driver.hpp"
#include "conformance/quantizer_driver.hpp"

namespace detent::conformance {
namespace {

Quantized work(Subject& subject, const Weight& weight, Wishes wishes = {}) {
  std::optional<Quantized> q = work_on(subject, weight, wishes);
  expect(q.has_value(), "it takes a weight of {} once, and declines it later",
         shape_text(weight.shape));
  return std::move(*q);
}

std::size_t row_length(const Weight& w) {
  return w.values.size() / static_cast<std::size_t>(w.shape[0]);
}

// ---- rows

bool has_independent_rows(Subject& subject, const Quantized& q) {
  return subject.promises(DETENT_PLUGIN_ROWWISE) || is_rounded(q);
}

std::string permuted(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized q = work(subject, weight);
  if (!has_independent_rows(subject, q)) throw Skip{"its rows may depend on one another"};
  const std::size_t n = row_length(weight);
  const auto rows = static_cast<std::size_t>(weight.shape[0]);
  const auto moved_to = [&](std::size_t row) { return (row * 5 + 3) % rows; };
  Weight moved = weight;
  for (std::size_t i = 0; i < weight.values.size(); ++i)
    moved.values[moved_to(i / n) * n + i % n] = weight.values[i];
  const Quantized p = work(subject, moved);
  for (std::size_t i = 0; i < weight.values.size(); ++i) {
    const double there = p.values[moved_to(i / n) * n + i % n];
    expect(there == q.values[i], "row {} became other numbers when it was row {}: {} instead of {}",
           i / n, moved_to(i / n), there, q.values[i]);
  }
  return {};
}

// Of a quantizer with scales for each row: what is in one row says nothing to the others.
std::string isolated(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized q = work(subject, weight);
  const bool per_row =
      q.plan.target &&
      (q.plan.target->granularity == DETENT_PER_GROUP ||
       (q.plan.target->granularity == DETENT_PER_CHANNEL && q.plan.target->axis == 0));
  if (!per_row || !has_independent_rows(subject, q)) throw Skip{"it has no scales for each row"};
  const std::size_t n = row_length(weight);
  for (const std::size_t row : {std::size_t{0}, static_cast<std::size_t>(weight.shape[0]) - 1}) {
    Weight louder = weight;
    for (std::size_t i = 0; i < n; ++i) louder.values[row * n + i] *= 50;
    const Quantized p = work(subject, louder);
    for (std::size_t i = 0; i < weight.values.size(); ++i)
      expect(i / n == row || p.values[i] == q.values[i],
             "row {} was made 50 times larger, and row {} changed from {} to {}", row, i / n,
             q.values[i], p.values[i]);
  }
  return {};
}

Weight rows_of(const Weight& weight, std::int64_t first, std::int64_t n) {
  const std::size_t length = row_length(weight);
  Weight block = weight;
  block.shape[0] = n;
  const auto begin = weight.values.begin() + first * static_cast<std::int64_t>(length);
  block.values.assign(begin, begin + n * static_cast<std::int64_t>(length));
  return block;
}

std::string rowwise(Subject& subject) {
  if (!subject.promises(DETENT_PLUGIN_ROWWISE))
    throw Skip{"it does not promise DETENT_PLUGIN_ROWWISE"};
  const Weight weight = good_weight(subject);
  const Quantized whole = work(subject, weight);
  const std::int64_t rows = weight.shape[0];
  for (const PlanRecord::Output& o : whole.plan.outputs)
    if (o.shape.empty() || o.shape[0] != rows)
      throw Skip{fmt::format("\"{}\" has no row for each row of the weight", o.name)};
  const Quantized top = work(subject, rows_of(weight, 0, 5));
  const Quantized bottom = work(subject, rows_of(weight, 5, rows - 5));
  expect(top.plan.outputs.size() == whole.plan.outputs.size(),
         "plan declares {} outputs for a block, {} for the whole", top.plan.outputs.size(),
         whole.plan.outputs.size());
  for (const auto& [name, made] : whole.outputs)
    expect(top.outputs.at(name).bytes + bottom.outputs.at(name).bytes == made.bytes,
           "\"{}\" of two blocks of rows, joined, is not that of the whole", name);
  return {};
}

// ---- determinism and inputs

std::string deterministic(Subject& subject) {
  Weight weight = good_weight(subject);
  weight.shape = {512, 512};  // enough to be cut into pieces
  weight.layer_type = "Linear";
  weight.values = subject.random().bells(512 * 512);
  const std::optional<Quantized> expected = work_on(subject, weight);
  if (!expected) throw Skip{"it declines a weight of 512 x 512"};
  for (const auto& [order, what] : {std::pair{Order::forward, "a second time"},
                                    {Order::reversed, "with parallel_for going backwards"},
                                    {Order::threads, "with parallel_for on four threads"}}) {
    const Quantized q = work(subject, weight, {.order = order});
    const std::string d = difference(q.outputs, expected->outputs);
    expect(d.empty(), "{}: {}", what, d);
    expect(q.values == expected->values, "{}: dequantize gives other numbers", what);
  }
  return {};
}

void expect_same_in(Subject& subject, Layout layout, bool read_only = false) {
  const Weight weight = good_weight(subject);
  const Answers expected = work(subject, weight).outputs;
  World world;
  QuantizerUnderTest q(subject, world);
  q.plan(weight);
  Input x(DETENT_F32, weight.shape, weight.values, layout);
  if (read_only) x.make_read_only();
  const std::string d = difference(q.quantize(*x), expected);
  expect(d.empty(), "{} where a compact tensor of the same values was", d);
}

std::string strides(Subject& s) {
  for (const Layout layout : {Layout::transposed, Layout::reversed, Layout::gaps, Layout::offset})
    expect_same_in(s, layout);
  return {};
}
std::string unaligned(Subject& s) { return expect_same_in(s, Layout::unaligned), ""; }
std::string bounds(Subject& s) {
  expect_same_in(s, Layout::at_begin);
  expect_same_in(s, Layout::at_end);
  return {};
}
std::string untouched(Subject& s) { return expect_same_in(s, Layout::compact, true), ""; }

std::string dtypes(Subject& subject) {
  Weight weight = good_weight(subject);
  for (double& v : weight.values) v = std::clamp(std::round(v * 8) / 8, -8.0, 8.0);
  const Quantized expected = work(subject, weight);
  std::vector<std::string> refused;
  for (const detent_dtype dtype : {DETENT_F64, DETENT_F16, DETENT_BF16}) {
    weight.dtype = dtype;
    const std::optional<Quantized> q = work_on(subject, weight);
    if (!q) {
      refused.push_back(dtype_name(dtype));
      continue;
    }
    for (std::size_t i = 0; i < q->values.size(); ++i)
      expect(std::abs(q->values[i] - expected.values[i]) <= 1e-5 * std::abs(expected.values[i]),
             "element {} of the same weight as {} became {} instead of {}", i, dtype_name(dtype),
             q->values[i], expected.values[i]);
  }
  return refused.empty() ? "" : "declines " + join_words(refused);
}

// ---- observers

// Scales that nobody would choose for these data.
std::string given_scales(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized own = work(subject, weight);
  if (!is_affine(own)) throw Skip{"it takes no parameters from observers"};
  Answers stats;
  for (const char* name : {"scale", "zero_point"})
    if (own.outputs.contains(name)) stats[name] = own.outputs.at(name);
  Made& scale = stats.at("scale");
  for (std::size_t i = 0; i < scale.bytes.size(); i += sizeof(float)) {
    auto* at = reinterpret_cast<std::byte*>(scale.bytes.data() + i);
    write_element(DETENT_F32, read_element(DETENT_F32, at) * 1.5, at);
  }
  World world;
  QuantizerUnderTest q(subject, world);
  q.plan(weight);
  const Source given(stats);
  Sink sink;
  const Input x(DETENT_F32, weight.shape, weight.values);
  const std::int32_t status = q.try_quantize(*x, given.c(), sink);
  expect(status == DETENT_OK, "with an observer's scales quantize returned {}: {}",
         status_name(status), printable(world.text()));
  Answers made = sink.take();
  expect(made.contains("scale"), "with an observer's scales it stores none");
  expect(made.at("scale").bytes == scale.bytes, "it stores other scales than the observer's");
  const std::vector<std::size_t> index = scale_index(*own.plan.target, weight.shape);
  const std::vector<double> s = made.at("scale").values();
  const std::vector<double> before = own.outputs.at("qweight").values();
  const std::vector<double> after = made.at("qweight").values();
  const std::vector<double> zero = zero_points_of(own);
  for (std::size_t i = 0; i < after.size(); ++i)
    expect(std::abs((after[i] - zero[index[i]]) * s[index[i]] - weight.values[i]) <=
                   0.501 * s[index[i]] ||
               std::abs(after[i] - zero[index[i]]) >= std::abs(before[i] - zero[index[i]]) / 2,
           "element {}: {} has the code {} with the observer's scale {}", i, weight.values[i],
           after[i], s[index[i]]);
  return {};
}

// ---- sinks and sources that say no

std::string refused_outputs(Subject& subject) {
  const Weight weight = good_weight(subject);
  const std::size_t n = work(subject, weight).outputs.size();
  for (std::uint64_t grants = 0; grants < n; ++grants) {
    World world;
    QuantizerUnderTest q(subject, world);
    q.plan(weight);
    const Source none;
    Sink sink(Minor::same, grants);
    const Input x(DETENT_F32, weight.shape, weight.values);
    const std::int32_t status = q.try_quantize(*x, none.c(), sink);
    expect(status != DETENT_OK && is_status(status),
           "the host refused output {}, and quantize returned {}", grants, status_name(status));
  }
  return {};
}

std::string fresh_reader(Subject& subject) {
  const Weight weight = good_weight(subject);
  World world;
  QuantizerUnderTest writer(subject, world);
  const PlanRecord plan = writer.plan(weight);
  const Answers outputs = writer.quantize(weight);
  const Source source(outputs, plan.meta);
  std::vector<double> expected;
  expect(writer.try_dequantize(source, weight.shape, &expected) == DETENT_OK,
         "dequantize by the instance that quantized failed: {}", printable(world.text()));
  QuantizerUnderTest reader(subject, world);
  std::vector<double> got;
  const std::int32_t status = reader.try_dequantize(source, weight.shape, &got);
  expect(status == DETENT_OK, "dequantize by another instance returned {}: {}", status_name(status),
         printable(world.text()));
  for (std::size_t i = 0; i < got.size(); ++i)
    expect(got[i] == expected[i], "element {}: another instance gives {} instead of {}", i, got[i],
           expected[i]);
  return {};
}

void try_damaged(Subject& subject, const Weight& weight, const Answers& outputs,
                 const std::map<std::string, std::string>& meta, bool must_fail,
                 const std::string& what) {
  World world;
  QuantizerUnderTest q(subject, world);
  const Source source(outputs, meta);
  const std::int32_t status = q.try_dequantize(source, weight.shape);
  expect(!must_fail || status != DETENT_OK, "{}: dequantize returned DETENT_OK", what);
  expect(is_status(status), "{}: dequantize returned {}", what, status_name(status));
  expect(status == DETENT_OK || !world.text().empty(), "{}: dequantize returned {} without a text",
         what, status_name(status));
}

// What an artefact holds may be damaged: tensors that are missing, of other sizes, of other types.
std::string hostile_artefact(Subject& subject) {
  const Weight weight = good_weight(subject);
  const Quantized q = work(subject, weight);
  try_damaged(subject, weight, {}, {}, true, "nothing stored at all");
  for (const auto& [name, made] : q.outputs) {
    Answers without = q.outputs;
    without.erase(name);
    try_damaged(subject, weight, without, q.plan.meta, name == "qweight", "no \"" + name + "\"");
    for (const Shape& shape : {Shape{1}, Shape{0}, Shape{3, 1}}) {
      Answers small = q.outputs;
      Made& m = small.at(name);
      m.shape = shape;
      m.bytes.assign(detent_nbytes(m.dtype, static_cast<std::int32_t>(shape.size()), shape.data()),
                     '\1');
      try_damaged(subject, weight, small, q.plan.meta, true,
                  fmt::format("\"{}\" of shape {}", name, shape_text(shape)));
    }
    Answers typed = q.outputs;
    typed.at(name).dtype = DETENT_F64;
    typed.at(name).bytes.assign(count_elements(made.shape) * 8, '\1');
    try_damaged(subject, weight, typed, q.plan.meta, false, "\"" + name + "\" of f64");
    Answers noise = q.outputs;
    Random random = subject.random();
    for (char& c : noise.at(name).bytes) c = static_cast<char>(random.bits());
    try_damaged(subject, weight, noise, q.plan.meta, false, "\"" + name + "\" of random bytes");
  }
  for (const auto& [key, json] : q.plan.meta)
    for (const char* value : {"null", "\"\"", "-1", "99999999999999999999", "[]", "1e999", ""}) {
      std::map<std::string, std::string> meta = q.plan.meta;
      meta[key] = value;
      try_damaged(subject, weight, q.outputs, meta, false, key + " of " + value);
    }
  return {};
}

constexpr const char* kView =
    "walk the tensor by shape and strides; sdk::TensorView::for_each does";

constexpr std::array<Case, 13> kCases = {{
    {"quantizer.permuted_rows", kQuantizer,
     "Rows in another order become the same numbers in that order (abi/quantizer.h).",
     "look for an index of a channel that is off by one", &permuted},
    {"quantizer.isolated_rows", kQuantizer,
     "With a scale for each row, a row says nothing to the others (abi/base.h, "
     "DETENT_PER_CHANNEL).",
     "look for an index of a channel or group that is off by one", &isolated},
    {"quantizer.rowwise", kQuantizer,
     "With DETENT_PLUGIN_ROWWISE blocks of rows, joined, are the whole (abi.h).",
     "drop the promise, or let no row depend on another", &rowwise},
    {"quantizer.deterministic", kQuantizer,
     "The same weight gives the same bytes, whatever runs parallel_for (R6).",
     "give each index of parallel_for a place of its own and join them in order", &deterministic},
    {"quantizer.strides", kQuantizer,
     "Transposed, negative and wide strides are followed (abi/base.h).", kView, &strides},
    {"quantizer.unaligned", kQuantizer,
     "Memory may be aligned worse than the element (abi/base.h, data).",
     "take elements out with memcpy, which costs nothing", &unaligned},
    {"quantizer.bounds", kQuantizer, "Nothing outside the weight is read (R1).",
     "the last vector of a loop is often a short one", &bounds},
    {"quantizer.untouched", kQuantizer, "The weight is not written to (abi/quantizer.h, quantize).",
     "the tensor has DETENT_TENSOR_READ_ONLY: work on a copy", &untouched},
    {"quantizer.dtypes", kQuantizer,
     "The same numbers as f64, f16 or bf16 become the same, or are declined (abi/quantizer.h).",
     kView, &dtypes},
    {"quantizer.given_scales", kQuantizer,
     "With a target, an observer's scales are used and stored (abi/quantizer.h, quantize).",
     "look for \"scale\" and \"zero_point\" in stats; give no target if you do not", &given_scales},
    {"quantizer.refused_outputs", kQuantizer,
     "A sink that gives no memory ends quantize with an error (abi/base.h, detent_tensor_sink).",
     "look at what create returns before using *out", &refused_outputs},
    {"quantizer.fresh_reader", kQuantizer,
     "dequantize needs nothing but what is stored (abi/quantizer.h, dequantize).",
     "put what dequantize needs into tensors and plan's metadata, not into the instance",
     &fresh_reader},
    {"quantizer.hostile_artefact", kQuantizer,
     "Stored tensors that are missing, damaged or of other sizes are refused with a text (R2).",
     "check dtype, shape and metadata of everything in the source before using it",
     &hostile_artefact},
}};

}  // namespace

std::span<const Case> quantizer_rule_cases() { return kCases; }

}  // namespace detent::conformance
