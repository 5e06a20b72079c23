// SPDX-License-Identifier: Apache-2.0
// The error of plain rounding: against reference vectors, a slow oracle, and the built-in plugins.
#include "quantize/rounding.hpp"

#include <cmath>
#include <random>

#include "plugin/registry.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

QuantTarget target(std::int32_t granularity, bool symmetric, std::int64_t qmin, std::int64_t qmax) {
  QuantTarget t;
  t.scheme = "detent.affine/1";
  t.spec.qdtype = qmin < 0 ? DETENT_I8 : DETENT_U8;
  t.spec.scale_dtype = DETENT_F32;
  t.spec.symmetric = symmetric ? 1 : 0;
  t.spec.granularity = granularity;
  t.spec.qmin = qmin;
  t.spec.qmax = qmax;
  return t;
}

QuantTarget per_channel(std::int32_t axis, bool symmetric = true) {
  QuantTarget t = target(DETENT_PER_CHANNEL, symmetric, symmetric ? -127 : -128, 127);
  t.spec.axis = axis;
  return t;
}

QuantTarget per_group(std::int64_t size, bool symmetric = true) {
  QuantTarget t = target(DETENT_PER_GROUP, symmetric, -8, 7);
  t.spec.group_size = size;
  return t;
}

std::vector<float> awkward(std::size_t n) {
  std::mt19937 random(5);
  std::vector<float> values(n);
  for (float& v : values) {
    v = static_cast<float>(random() >> 8U) / static_cast<float>(1U << 23U) - 1.0F;
    if (random() % 97 == 0) v *= 20;
  }
  return values;
}

std::optional<QuantizationError> rounding_of(const QuantTarget& t, const Shape& shape,
                                             const std::vector<float>& x, unsigned threads = 1) {
  ThreadPool pool(threads);
  return measure_rounding(t, shape, DETENT_F32, std::as_bytes(std::span(x)), pool);
}

// Which scale an element has, from its indices: nothing of runs and rows.
std::size_t slot_of(const detent_qspec& spec, const Shape& shape, std::size_t element) {
  if (spec.granularity == DETENT_PER_TENSOR) return 0;
  std::vector<std::size_t> index(shape.size());
  std::size_t rest = element;
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = rest % static_cast<std::size_t>(shape[d]);
    rest /= static_cast<std::size_t>(shape[d]);
  }
  if (spec.granularity == DETENT_PER_CHANNEL) return index[static_cast<std::size_t>(spec.axis)];
  std::size_t column = 0;
  for (std::size_t d = shape.size() < 2 ? 0 : 1; d < shape.size(); ++d)
    column = column * static_cast<std::size_t>(shape[d]) + index[d];
  const std::size_t row = shape.size() < 2 ? 0 : index[0];
  return row * 1000000 + column / static_cast<std::size_t>(spec.group_size);
}

double oracle_noise(const QuantTarget& t, const Shape& shape, const std::vector<float>& x) {
  std::map<std::size_t, std::pair<double, double>> ranges;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto& [low, high] = ranges[slot_of(t.spec, shape, i)];  // 0, 0 at first: zero is in the range
    low = std::min(low, double{x[i]});
    high = std::max(high, double{x[i]});
  }
  long double noise = 0;
  const auto qmin = static_cast<double>(t.spec.qmin);
  const auto qmax = static_cast<double>(t.spec.qmax);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto& [low, high] = ranges[slot_of(t.spec, shape, i)];
    const bool symmetric = t.spec.symmetric != 0;
    const double middle = qmin < 0 ? 0 : 128;
    const double wide =
        symmetric ? std::max(-low, high) / (qmax - middle) : (high - low) / (qmax - qmin);
    const float scale = wide == 0 ? 1.0F : static_cast<float>(wide);
    const double zero =
        symmetric ? middle
                  : std::clamp(std::nearbyint(qmin - (wide == 0 ? 0 : low / wide)), qmin, qmax);
    const double code = std::clamp(double{std::nearbyint(x[i] / scale)} + zero, qmin, qmax);
    const float back = static_cast<float>(code - zero) * scale;
    const long double error = static_cast<long double>(x[i]) - back;
    noise += error * error;
  }
  return static_cast<double>(noise);
}

struct Layout {
  const char* name;
  QuantTarget target;
  Shape shape;
};

std::vector<Layout> layouts() {
  return {{"a tensor", target(DETENT_PER_TENSOR, true, -127, 127), {300, 400}},
          {"a tensor, asymmetric", target(DETENT_PER_TENSOR, false, -128, 127), {300, 401}},
          {"a tensor, uint8", target(DETENT_PER_TENSOR, true, 0, 255), {7, 31}},
          {"a tensor, uint8 asymmetric", target(DETENT_PER_TENSOR, false, 0, 255), {65537}},
          {"rows", per_channel(0), {300, 401}},
          {"columns", per_channel(1), {301, 400}},
          {"columns, asymmetric", per_channel(1, false), {301, 400}},
          {"the second of four axes", per_channel(1), {5, 6, 7, 8}},
          {"the last of three axes", per_channel(2), {70, 50, 60}},
          {"one giant channel", per_channel(0), {1, 150001}},
          {"filters", per_channel(0), {64, 3, 3, 3}},
          {"groups", per_group(32), {300, 256}},
          {"groups with a short one", per_group(32), {301, 100}},
          {"groups of a convolution", per_group(4), {9, 3, 3, 3}},
          {"groups, asymmetric", per_group(16, false), {50, 60}},
          {"groups longer than a row", per_group(128), {33, 7}},
          {"groups of one", per_group(1), {5, 7}},
          {"groups of one dimension", per_group(5), {23}},
          {"rows longer than a block", per_group(70000), {2, 140001}}};
}

}  // namespace

TEST_CASE("plain rounding has the SQNR of the reference vectors", "[rounding]") {
  for (const json::Value& value : vector_cases("weights.json")) {
    const bool symmetric = *member(value, "/symmetric").if_bool();
    const bool groups = int_at(value, "/bits") == 4;
    const Tensor weight = vector_input(text_at(value, "/input")).at(0);
    CAPTURE(text_at(value, "/input"), groups, symmetric);
    const QuantTarget t =
        groups ? per_group(int_at(value, "/group_size"), symmetric) : per_channel(0, symmetric);
    const auto error = rounding_of(t, weight.shape(), weight.values<float>());
    REQUIRE(error);
    CHECK(error->sqnr_db() == Approx(number_at(value, "/reference/sqnr_db")).margin(1e-6));
  }
}

TEST_CASE("plain rounding is a slow oracle's for every way to share a scale", "[rounding]") {
  for (const Layout& layout : layouts()) {
    CAPTURE(layout.name);
    std::size_t n = 1;
    for (const std::int64_t extent : layout.shape) n *= static_cast<std::size_t>(extent);
    const std::vector<float> x = awkward(n);
    const auto one = rounding_of(layout.target, layout.shape, x);
    REQUIRE(one);
    CHECK(one->elements == n);
    CHECK(one->noise == Approx(oracle_noise(layout.target, layout.shape, x)).epsilon(1e-12));
    const auto five = rounding_of(layout.target, layout.shape, x, 5);
    CHECK(five->noise == one->noise);
    CHECK(five->signal == one->signal);
  }
}

TEST_CASE("the built-in quantizers have the error of plain rounding, bit for bit", "[rounding]") {
  const Registry registry = Registry::scan({{DETENT_TEST_PLUGINS, "test", true}});
  ThreadPool pool(2);
  const Shape shape{130, 1100};
  const std::vector<float> x = awkward(130 * 1100);
  for (const auto& [id, params] : std::vector<std::pair<std::string, json::Object>>{
           {"int8", {{"granularity", "per_channel"}, {"symmetric", true}}},
           {"int8", {{"granularity", "per_channel"}, {"symmetric", true}, {"axis", 1}}},
           {"int8", {{"granularity", "per_tensor"}, {"symmetric", false}, {"dtype", "uint8"}}},
           {"int8", {{"granularity", "per_tensor"}, {"symmetric", true}, {"dtype", "uint8"}}},
           {"int4_groupwise", {{"group_size", 32}}},
           {"int4_groupwise", {{"group_size", 48}, {"symmetric", false}}}}) {
    CAPTURE(id, json::dump(params));
    Quantizer quantizer(registry.get(PluginKind::quantizer, id), pool,
                        {.params = params, .target = "w", .role = DETENT_ROLE_WEIGHT});
    const QuantizerPlan plan =
        quantizer.plan({"l.w", DETENT_F32, shape, "l", "", "weight", 1U << 20U});
    HostTensor weight("l.w", DETENT_F32, shape);
    std::memcpy(weight.bytes().data(), x.data(), weight.bytes().size());
    TensorStore stats;
    TensorStore out;
    quantizer.quantize(weight.read_only(), stats, out);
    HostTensor back("l.w", DETENT_F32, shape);
    quantizer.dequantize(out, back.view());
    const QuantizationError own =
        measure_error(DETENT_F32, weight.bytes(),
                      {reinterpret_cast<const float*>(back.bytes().data()), back.numel()}, pool);
    const auto plain = measure_rounding(*plan.target, shape, DETENT_F32, weight.bytes(), pool);
    REQUIRE(plain);
    CHECK(plain->noise == own.noise);
    CHECK(plain->noise > 0);
  }
}

TEST_CASE("halves, doubles and bfloat16 are rounded as what they are", "[rounding]") {
  ThreadPool pool(1);
  const QuantTarget t = target(DETENT_PER_TENSOR, true, -127, 127);
  // 1, -0.5, 0.25 in each type: codes 127, -64 (63.5 to even), 32 (31.75) of scale 1/127.
  const std::vector<double> f64{1, -0.5, 0.25};
  const std::vector<std::uint16_t> f16{0x3C00, 0xB800, 0x3400};
  const std::vector<std::uint16_t> bf16{0x3F80, 0xBF00, 0x3E80};
  const double expected = 0.5 * 0.5 / (127.0 * 127) + 0.25 * 0.25 / (127.0 * 127);
  for (const auto& [dtype, bytes] : {std::pair{DETENT_F64, std::as_bytes(std::span(f64))},
                                     std::pair{DETENT_F16, std::as_bytes(std::span(f16))},
                                     std::pair{DETENT_BF16, std::as_bytes(std::span(bf16))}}) {
    CAPTURE(dtype);
    const auto error = measure_rounding(t, {3}, dtype, bytes, pool);
    REQUIRE(error);
    CHECK(error->noise == Approx(expected).epsilon(1e-4));
    CHECK(error->signal == 1.3125);
  }
}

TEST_CASE("the middle between two codes goes to the even one, by a quotient", "[rounding]") {
  // Of scale s the values (k + 1/2) s are exact floats; the product with 1/s is not always k + 1/2.
  for (const float scale : {1.0F, 3.0F, 5.0F, 7.0F, 11.0F, 13.0F, 47.0F}) {
    CAPTURE(scale);
    std::vector<float> x{127 * scale};
    double expected = 127.0 * 127.0;
    for (int k = 0; k < 126; ++k) {
      x.push_back((static_cast<float>(k) + 0.5F) * scale);
      const int even = k + k % 2;
      expected += static_cast<double>(even * even);
    }
    const auto error = rounding_of(target(DETENT_PER_TENSOR, true, -127, 127),
                                   {static_cast<std::int64_t>(x.size())}, x);
    CHECK(error->restored == expected * scale * scale);
  }
}

TEST_CASE("zeros and nothing at all are rounded exactly", "[rounding]") {
  CHECK(rounding_of(per_channel(0), {3, 4}, std::vector<float>(12))->noise == 0);
  CHECK(rounding_of(per_group(32), {0, 4}, {})->noise == 0);
  CHECK(rounding_of(per_channel(0), {4, 0}, {})->elements == 0);
}

TEST_CASE("there is no plain rounding of other schemes, blocks and codes out of reach",
          "[rounding]") {
  const std::vector<float> x(16, 1.0F);
  QuantTarget other = per_channel(0);
  other.scheme = "acme.int3/1";
  CHECK_FALSE(rounding_of(other, {4, 4}, x));
  QuantTarget blocks = per_channel(0);
  blocks.spec.granularity = DETENT_PER_BLOCK;
  blocks.spec.group_size = blocks.spec.block_rows = 2;
  CHECK_FALSE(rounding_of(blocks, {4, 4}, x));
  CHECK_FALSE(rounding_of(per_channel(2), {4, 4}, x));
  for (const auto& [qmin, qmax] : {std::pair<std::int64_t, std::int64_t>{0, 0},
                                   {-5, 0},
                                   {INT64_MIN, INT64_MAX},
                                   {0, (std::int64_t{1} << 24) + 1}}) {
    CHECK_FALSE(rounding_of(target(DETENT_PER_TENSOR, true, qmin, qmax), {4, 4}, x));
  }
}

}  // namespace detent::test
