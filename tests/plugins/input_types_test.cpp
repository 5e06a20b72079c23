// SPDX-License-Identifier: Apache-2.0
// Every observer on every element type, layout and kind of slot: the answer is that of a compact
// float64 copy of the same values.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "plugins/all_observers.hpp"
#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// Sign, exponent and fraction as IEEE 754 words them.
double decode(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const std::uint32_t fraction = bits & ((1U << fraction_bits) - 1);
  const std::uint32_t exponent = bits >> fraction_bits & ((1U << exponent_bits) - 1);
  const double sign = bits >> (exponent_bits + fraction_bits) != 0 ? -1 : 1;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1U << exponent_bits) - 1) return fraction == 0 ? sign * kInf : std::nan("");
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1U << fraction_bits) + fraction,
                           static_cast<int>(exponent) - bias - fraction_bits);
}

struct Typed {
  std::string name;
  Tensor tensor;
  std::vector<double> copy;
};

// All bit patterns of a 16-bit format, infinities and every NaN among them, in no simple order.
Typed all_of(const std::string& name, detent_dtype dtype, int exponent_bits, int fraction_bits) {
  std::vector<std::uint16_t> bits(65536);
  for (std::uint32_t i = 0; i < 65536; ++i)
    bits[i] = static_cast<std::uint16_t>(i * 40503U + 12345U);
  std::vector<double> copy;
  for (const std::uint16_t b : bits) copy.push_back(decode(b, exponent_bits, fraction_bits));
  return {name, Tensor::of_bits(dtype, {8, 8, 128, 8}, bits), copy};
}

// Subnormal numbers alone: beside larger ones they do not show.
Typed tiny_halves() {
  std::vector<std::uint16_t> bits;
  std::vector<double> copy;
  for (std::uint16_t i = 0; i < 48; ++i) {
    bits.push_back(static_cast<std::uint16_t>((i % 2 << 15) | (i * 19 + 3)));
    copy.push_back(decode(bits.back(), 5, 10));
  }
  return {"subnormal f16", Tensor::of_bits(DETENT_F16, {2, 3, 4, 2}, bits), copy};
}

template <class T>
Typed integers(const std::string& name) {
  std::mt19937_64 random(5);
  std::vector<T> values(24);
  for (T& v : values) v = static_cast<T>(random());
  values[7] = std::numeric_limits<T>::min();
  values[20] = std::numeric_limits<T>::max();
  return {name, Tensor::of({2, 3, 2, 2}, values), {values.begin(), values.end()}};
}

Typed floats() {
  auto values = random_weights(24, 3);
  values[3] = 1e-42F, values[5] = -3e38F, values[9] = std::nanf(""), values[11] = HUGE_VALF;
  return {"f32", Tensor::of({2, 3, 2, 2}, values), {values.begin(), values.end()}};
}

std::vector<Typed> all_types() {
  return {floats(),
          all_of("f16", DETENT_F16, 5, 10),
          tiny_halves(),
          all_of("bf16", DETENT_BF16, 8, 7),
          integers<std::int8_t>("i8"),
          integers<std::uint8_t>("u8"),
          integers<std::int16_t>("i16"),
          integers<std::uint16_t>("u16"),
          integers<std::int32_t>("i32"),
          integers<std::uint32_t>("u32"),
          integers<std::int64_t>("i64"),
          integers<std::uint64_t>("u64")};
}

std::vector<detent_qspec> all_slottings(std::int64_t group_size = 5) {
  return {qspec(),
          qspec(-127, 127, true),
          per_channel(qspec(), 0),
          per_channel(qspec(), 1),
          per_channel(qspec(0, 255), 3),
          per_group(qspec(-8, 7, true), group_size)};
}

// Everything that an observer knows and says, as a hash: a failure need not print megabytes.
std::size_t answer(const ObserverKind& kind, const Tensor& x, const detent_qspec& spec) {
  const Observer seen = saw(kind, {x, x}, spec);
  return std::hash<std::string>()(seen.save() + parameters_of(seen, spec));
}

template <class T>
Tensor flat(const std::vector<T>& values) {
  return Tensor::of({static_cast<std::int64_t>(values.size())}, values);
}

}  // namespace

TEST_CASE("Every element type gives the state and parameters of the float64 copy of its values",
          "[plugins]") {
  for (const Typed& typed : all_types())
    for (const ObserverKind& kind : all_observers())
      for (const detent_qspec& spec : all_slottings(typed.copy.size() > 1000 ? 900 : 5)) {
        INFO(typed.name << " by " << kind.name << ", granularity " << spec.granularity);
        CHECK(answer(kind, typed.tensor, spec) ==
              answer(kind, Tensor::of(typed.tensor.shape(), typed.copy), spec));
      }
}

TEST_CASE("What is not finite in halves is left out and counted", "[plugins]") {
  for (const auto& [typed, non_finite, most] :
       {std::tuple(all_of("f16", DETENT_F16, 5, 10), 2048, 65504.0),
        std::tuple(all_of("bf16", DETENT_BF16, 8, 7), 256, 3.3895313892515355e38)})
    for (const ObserverKind& kind : all_observers()) {
      INFO(typed.name << " by " << kind.name);
      const Observer seen = saw(kind, {typed.tensor});
      const Results counts = seen.stat("stat:counts/1");
      CHECK(counts.values<std::int64_t>("observed")[0] == 65536 - non_finite);
      CHECK(counts.values<std::int64_t>("non_finite")[0] == non_finite);
      CHECK(seen.stat("stat:minmax/1").values<double>("min")[0] == -most);
      CHECK(seen.stat("stat:minmax/1").values<double>("max")[0] == most);
    }
}

TEST_CASE("Views with any strides, zero and negative ones too, are their compact copies",
          "[plugins]") {
  const Tensor nhwc = Tensor::of({2, 4, 5, 3}, random_weights(120, 8));
  const auto values = nhwc.values<float>();
  const Shape shape = {2, 3, 4, 5};
  struct View {
    Shape strides;
    std::int64_t first;
  };
  for (const View& v : {View{{60, 1, 15, 3}, 0}, View{{0, 1, 15, 3}, 0}, View{{60, 1, 0, 0}, 0},
                        View{{0, 0, 0, 0}, 17}, View{{-60, -1, -15, -3}, 119}}) {
    std::vector<float> copy;
    for (std::int64_t i = 0; i < 120; ++i) {
      const Shape at = {i / 60, i / 20 % 3, i / 5 % 4, i % 5};
      std::int64_t offset = v.first;
      for (std::size_t d = 0; d < 4; ++d) offset += at[d] * v.strides[d];
      copy.push_back(values[static_cast<std::size_t>(offset)]);
    }
    for (const ObserverKind& kind : all_observers())
      for (const detent_qspec& spec : all_slottings()) {
        INFO(kind.name << ", granularity " << spec.granularity << ", stride " << v.strides[0]);
        CHECK(answer(kind, nhwc.strided(shape, v.strides, v.first), spec) ==
              answer(kind, Tensor::of(shape, copy), spec));
      }
  }
}

// Batches of 1, 3 and 2 images; each channel must be as if nothing else existed.
TEST_CASE("Channels of NCHW activations are observed each alone, in every observer", "[plugins]") {
  std::vector<Tensor> batches;
  std::vector<std::vector<Tensor>> alone(3);
  for (const std::int64_t images : {1, 3, 2}) {
    auto values = random_weights(static_cast<std::size_t>(images) * 12, 40);
    std::vector<std::vector<float>> own(3);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t channel = i / 4 % 3;
      values[i] *= channel == 0 ? 1.0F : channel == 1 ? 100.0F : 0.01F;
      own[channel].push_back(values[i]);
    }
    batches.push_back(Tensor::of({images, 3, 2, 2}, values));
    for (std::size_t c = 0; c < 3; ++c) alone[c].push_back(flat(own[c]));
  }
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    const Results together = saw(kind, batches, per_channel(qspec(), 1)).qparams();
    for (std::size_t c = 0; c < 3; ++c) {
      const Results own = saw(kind, alone[c]).qparams();
      CHECK(together.values<float>("scale")[c] == own.values<float>("scale")[0]);
      CHECK(zero_points_of(together)[c] == zero_points_of(own)[0]);
    }
  }
}

TEST_CASE("Groups of a convolution are those of its filters as rows, the last one short",
          "[plugins]") {
  const auto values = random_weights(4 * 3 * 3 * 3, 6);
  const Tensor conv = Tensor::of({4, 3, 3, 3}, values);
  const Tensor rows = Tensor::of({4, 27}, values);
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    const detent_qspec spec = per_group(qspec(-8, 7), 8);
    CHECK(answer(kind, conv, spec) == answer(kind, rows, spec));
    const Results got = saw(kind, {conv}, spec).qparams();
    CHECK(got.tensor("scale").shape() == Shape{4, 4});
    const std::vector<float> last(values.begin() + 24, values.begin() + 27);
    CHECK(got.values<float>("scale")[3] ==
          saw(kind, {flat(last)}, qspec(-8, 7)).qparams().values<float>("scale")[0]);
  }
}

TEST_CASE("Zero channels have the scale one, and the others are as without them", "[plugins]") {
  const auto values = random_weights(5, 2);
  std::vector<float> x = values;
  x.resize(10, 0.0F);
  for (const ObserverKind& kind : all_observers())
    for (const bool symmetric : {false, true}) {
      INFO(kind.name);
      const detent_qspec spec = qspec(symmetric ? -127 : -128, 127, symmetric);
      const Results got = saw(kind, {Tensor::of({2, 5}, x)}, per_channel(spec, 0)).qparams();
      CHECK(got.values<float>("scale")[1] == 1.0F);
      if (!symmetric) CHECK(zero_points_of(got)[1] == 0);
      CHECK(got.values<float>("scale")[0] ==
            saw(kind, {flat(values)}, spec).qparams().values<float>("scale")[0]);
    }
}

TEST_CASE("Groups of one sign have their zero point at the end of the codes", "[plugins]") {
  std::vector<float> x;
  for (int i = 0; i < 8; ++i) x.push_back(-5.0F - static_cast<float>(i));
  for (int i = 0; i < 8; ++i) x.push_back(5.0F + static_cast<float>(i));
  for (const ObserverKind& kind : all_observers()) {
    INFO(kind.name);
    const Results got = saw(kind, {Tensor::of({1, 16}, x)}, per_group(qspec(-8, 7), 8)).qparams();
    CHECK(zero_points_of(got) == std::vector<std::int64_t>{7, -8});
    CHECK(got.values<double>("range_max")[0] == 0.0);
    CHECK(got.values<double>("range_min")[1] == 0.0);
    CHECK(got.values<double>("range_min")[0] <= -8.5);  // kl keeps half of a side at least
  }
}

TEST_CASE("Constant tensors come back, whatever their size", "[plugins]") {
  for (const float value : {0.5F, -7.0F, 1e-20F, -1e-30F, 3e38F, 1.0F / 3})
    for (const ObserverKind& kind : all_observers())
      for (const bool symmetric : {false, true}) {
        INFO(value << " by " << kind.name);
        const Tensor x = Tensor::of<float>({1, 3}, {value, value, value});
        const detent_qspec spec = per_channel(qspec(symmetric ? -127 : -128, 127, symmetric), 0);
        Quantizer q("int8", {{"/symmetric", symmetric}});
        for (const float back : q.dequantize(q.quantize(x, saw(kind, {x}, spec).qparams()), {1, 3}))
          CHECK(std::abs(back - value) <= std::abs(value) * 0x1p-22F);
      }
}

TEST_CASE("Tiny, huge and subnormal values give scales that are normal numbers", "[plugins]") {
  constexpr double kSmallest = std::numeric_limits<float>::min();
  for (const double most : {5e-324, 1e-310, 1e-45, 1e-38, 2.9e-36, 3.1e-36, 1e-20, 1e20, 3.4e38,
                            1e39, 1e300, std::numeric_limits<double>::max()})
    for (const ObserverKind& kind : all_observers())
      for (const bool symmetric : {false, true}) {
        INFO(most << " by " << kind.name);
        const detent_qspec spec = qspec(symmetric ? -127 : -128, 127, symmetric);
        const Observer seen = saw(kind, {flat<double>({-most, most / 3, most / 2, most})}, spec);
        const float scale = seen.qparams().values<float>("scale")[0];
        CHECK(std::isnormal(scale));
        CHECK(scale > 0);
        // Too small for a scale: everything is zero, with the scale one.
        if (most / 127 < kSmallest / 2.1) CHECK(scale == 1.0F);
        if (most > 1e-35 && most < 1e38) CHECK(double{scale} >= most / 127 / 2.1);
      }
}

}  // namespace detent::test
