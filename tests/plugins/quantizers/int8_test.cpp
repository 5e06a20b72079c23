// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

Tensor weight_of(const Shape& shape, unsigned seed = 1) {
  const Tensor empty(DETENT_F32, shape);
  return Tensor::of(shape, random_weights(empty.bytes().size() / 4, seed));
}

std::string declined(const Shape& shape, const Layer& layer = {}, detent_dtype dtype = DETENT_F32) {
  return Quantizer("int8").plan(shape, layer, dtype).declined;
}

}  // namespace

TEST_CASE("int8 plans codes of the weight's shape and one scale per channel") {
  const Planned p = Quantizer("int8").plan({8, 4, 3, 3}, {"conv", "Conv2d"});
  CHECK(p.outputs == std::vector<Planned::Output>{{"qweight", DETENT_I8, {8, 4, 3, 3}},
                                                  {"scale", DETENT_F32, {8}}});
  REQUIRE(p.target);
  CHECK((p.target->qmin == -127 && p.target->qmax == 127 && p.target->symmetric == 1));
  CHECK((p.target->granularity == DETENT_PER_CHANNEL && p.target->axis == 0));
}

TEST_CASE("int8 plans zero points only when asymmetric, of the codes' type") {
  const Params params = {
      {"/symmetric", false}, {"/dtype", "uint8"}, {"/granularity", "per_tensor"}};
  const Planned p = Quantizer("int8", params).plan({8, 4});
  CHECK(p.outputs == std::vector<Planned::Output>{{"qweight", DETENT_U8, {8, 4}},
                                                  {"scale", DETENT_F32, {}},
                                                  {"zero_point", DETENT_U8, {}}});
  CHECK((p.target->qmin == 0 && p.target->qmax == 255 && p.target->symmetric == 0));
}

TEST_CASE("int8 gives an activation a target and no outputs") {
  Quantizer q("int8", {}, Order::forward, DETENT_ROLE_ACTIVATION);
  const Planned p = q.plan({-1, 64}, {"fc1", "Linear", "input"});
  CHECK(p.status == DETENT_OK);
  CHECK((p.declined.empty() && p.outputs.empty()));
  REQUIRE(p.target);
  CHECK((p.target->symmetric == 0 && p.target->granularity == DETENT_PER_TENSOR));
  CHECK((p.target->qmin == -128 && p.target->qmax == 127));
}

TEST_CASE("int8 takes weights by name and says why it declines the rest") {
  for (const char* name : {"weight", "weight_ih_l0", "weight_hh_l1_reverse", "in_proj_weight"}) {
    CHECK(declined({8, 4}, {"l", "LSTM", name}) == "");
  }
  CHECK(declined({8, 4}, {"emb", "Embedding"}) == "");
  CHECK(declined({8}, {"fc1", "Linear", "bias"}) == "bias stays in floating point");
  CHECK(declined({8}, {"rnn", "LSTM", "bias_ih_l0"}) == "bias stays in floating point");
  CHECK(declined({8, 4}, {"bn", "BatchNorm2d", "running_mean"}) ==
        "parameter \"running_mean\" is not a weight");
  CHECK(declined({8}) == "one-dimensional parameter");
  CHECK(declined({8, 4}, {"ln", "LayerNorm"}) == "normalization layer");
  CHECK(declined({8, 4}, {"ln", "LlamaRMSNorm"}) == "normalization layer");
  CHECK(declined({0, 4}) == "no elements");
  CHECK(declined({8, 4}, {}, DETENT_I8) == "not a floating-point tensor");
}

TEST_CASE("int8 refuses an axis that the tensor does not have and says what fits") {
  const Planned p = Quantizer("int8", {{"/axis", 2}}).plan({8, 4});
  CHECK(p.status == DETENT_E_PARAMS);
  CHECK(p.error ==
        "axis 2 does not fit \"fc1.weight\" with the shape [8, 4]\n"
        "use an \"axis\" from 0 to 1, or \"granularity\": \"per_tensor\"");
}

TEST_CASE("constant and zero channels come back exactly") {
  std::vector<float> x(4 * 5, 0.0F);
  for (int i = 0; i < 5; ++i) {
    x[5 + i] = 0.3F;
    x[10 + i] = -7.0F;
    x[15 + i] = i == 0 ? 1e-40F : 0.0F;  // below any scale: counts as zero
  }
  for (const char* dtype : {"int8", "uint8"}) {
    for (const bool symmetric : {true, false}) {
      Quantizer q("int8", {{"/symmetric", symmetric}, {"/dtype", dtype}});
      const auto back = q.dequantize(q.quantize(Tensor::of({4, 5}, x)), {4, 5});
      CAPTURE(dtype, symmetric);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float expected = i == 15 ? 0.0F : x[i];
        CHECK(std::abs(back[i] - expected) <= std::abs(expected) * 2e-7F);
        if (expected == 0.0F) CHECK(back[i] == 0.0F);
      }
    }
  }
}

TEST_CASE("every value comes back within half a scale of its channel") {
  const Shape shape = {6, 5, 3};
  const Tensor weight = weight_of(shape, 9);
  const auto x = weight.values<float>();
  for (int axis = 0; axis < 3; ++axis) {
    for (const bool symmetric : {true, false}) {
      Quantizer q("int8", {{"/axis", axis}, {"/symmetric", symmetric}});
      const Results results = q.quantize(weight);
      const auto scale = results.values<float>("scale");
      REQUIRE(results.tensor("scale").shape() == Shape{shape[static_cast<std::size_t>(axis)]});
      const auto back = q.dequantize(results, shape);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t channel = axis == 0 ? i / 15 : (axis == 1 ? i / 3 % 5 : i % 3);
        CAPTURE(axis, symmetric, i);
        REQUIRE(std::abs(x[i] - back[i]) <= scale[channel] * 0.5001F);
      }
    }
  }
}

TEST_CASE("quantizing along an axis equals quantizing the transpose along the first") {
  const Shape shape = {300, 257};  // more than one block, no multiple of anything
  const Tensor weight = weight_of(shape, 4);
  const auto x = weight.values<float>();
  std::vector<float> turned(x.size());
  for (std::size_t r = 0; r < 300; ++r)
    for (std::size_t c = 0; c < 257; ++c) turned[c * 300 + r] = x[r * 257 + c];
  const Results along_1 = Quantizer("int8", {{"/axis", 1}}).quantize(weight);
  const Results along_0 = Quantizer("int8").quantize(Tensor::of({257, 300}, turned));
  CHECK(along_1.values<float>("scale") == along_0.values<float>("scale"));
  const auto a = along_1.values<std::int8_t>("qweight");
  const auto b = along_0.values<std::int8_t>("qweight");
  bool equal = true;
  for (std::size_t r = 0; r < 300; ++r)
    for (std::size_t c = 0; c < 257; ++c) equal = equal && a[r * 257 + c] == b[c * 300 + r];
  CHECK(equal);
}

TEST_CASE("a strided view gives the same bytes as its copy") {
  const auto x = random_weights(7 * 11, 3);
  std::vector<float> copy;
  for (std::size_t r = 0; r < 11; ++r)
    for (std::size_t c = 0; c < 7; ++c) copy.push_back(x[c * 11 + r]);
  const Tensor view = Tensor::of({7, 11}, x).strided({11, 7}, {1, 11});
  for (const char* id : {"int8", "int4_groupwise", "fp16"}) {
    CAPTURE(id);
    CHECK(all_bytes(Quantizer(id).quantize(view)) ==
          all_bytes(Quantizer(id).quantize(Tensor::of({11, 7}, copy))));
  }
}

TEST_CASE("f16, bf16 and f64 weights give what their values give in f32") {
  // 1.0, -0.5, 2.0, -1.75, 0.0, 0.125 in each type.
  const std::vector<float> f32 = {1.0F, -0.5F, 2.0F, -1.75F, 0.0F, 0.125F};
  const std::vector<double> f64(f32.begin(), f32.end());
  const std::vector<std::uint16_t> f16 = {0x3C00, 0xB800, 0x4000, 0xBF00, 0x0000, 0x3000};
  const std::vector<std::uint16_t> bf16 = {0x3F80, 0xBF00, 0x4000, 0xBFE0, 0x0000, 0x3E00};
  const Shape shape = {2, 3};
  for (const char* id : {"int8", "int4_groupwise"}) {
    CAPTURE(id);
    const auto expected = all_bytes(Quantizer(id).quantize(Tensor::of(shape, f32)));
    CHECK(all_bytes(Quantizer(id).quantize(Tensor::of(shape, f64))) == expected);
    CHECK(all_bytes(Quantizer(id).quantize(Tensor::of_bits(DETENT_F16, shape, f16))) == expected);
    CHECK(all_bytes(Quantizer(id).quantize(Tensor::of_bits(DETENT_BF16, shape, bf16))) == expected);
  }
}

TEST_CASE("the range of an f64 weight is the exact one") {
  // top / 127 is just below the tie between 1 and the next float32. Rounded to float32 before the
  // division, top is 127 + 2^-17, and the scale that next one.
  const double top = 127.0 * (1.0 + 0x1p-24 - 0x1p-40);
  const Tensor weight = Tensor::of<double>({1, 2}, {top, -1.0});
  const Results results = Quantizer("int8").quantize(weight);
  CHECK(results.values<float>("scale")[0] == 1.0F);
}

TEST_CASE("memory need not be aligned to the element") {
  const auto x = random_weights(33 * 5, 8);
  std::vector<std::uint8_t> shifted(x.size() * 4 + 1);
  std::memcpy(shifted.data() + 1, x.data(), x.size() * 4);
  const Shape shape = {33, 5}, strides = {5, 1};
  const detent_tensor odd{shifted.data() + 1,
                          DETENT_DEVICE_CPU,
                          0,
                          2,
                          DETENT_F32,
                          shape.data(),
                          strides.data(),
                          0,
                          x.size() * 4,
                          0};
  for (const char* id : {"int8", "int4_groupwise", "fp16"}) {
    CAPTURE(id);
    CHECK(all_bytes(Quantizer(id).quantize(odd)) ==
          all_bytes(Quantizer(id).quantize(Tensor::of(shape, x))));
  }
}

TEST_CASE("an observer's scale and zero point are used as they are") {
  Results stats;
  stats.put("scale", Tensor::of<float>({2}, {0.5F, 2.0F}));
  stats.put("zero_point", Tensor::of<std::int8_t>({2}, {10, -20}));
  Quantizer q("int8", {{"/symmetric", false}});
  const Results results = q.quantize(Tensor::of<float>({2, 2}, {1.0F, -3.0F, 400.0F, 3.0F}), stats);
  // 400 / 2 - 20 is beyond 127; 3 / 2 is the tie 1.5.
  CHECK(results.values<std::int8_t>("qweight") == std::vector<std::int8_t>{12, 4, 127, -18});
  CHECK(results.values<float>("scale") == std::vector<float>{0.5F, 2.0F});
  CHECK(results.values<std::int8_t>("zero_point") == std::vector<std::int8_t>{10, -20});
}

TEST_CASE("an observer's answer that cannot be is refused") {
  const Tensor weight = weight_of({2, 2});
  const auto status = [&](Tensor scale, std::optional<Tensor> zero) {
    Results stats, out;
    stats.put("scale", std::move(scale));
    if (zero) stats.put("zero_point", *zero);
    return Quantizer("int8", {{"/symmetric", false}}).try_quantize(weight, stats, out);
  };
  const Tensor zeros = Tensor::of<std::int8_t>({2}, {0, 0});
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(status(Tensor::of<float>({2}, {1, 1}), zeros) == DETENT_OK);
  CHECK(status(Tensor::of<float>({2}, {1, 1}), std::nullopt) == DETENT_E_UNSUPPORTED);
  CHECK(status(Tensor::of<float>({3}, {1, 1, 1}), zeros) == DETENT_E_UNSUPPORTED);
  CHECK(status(Tensor::of<double>({2}, {1, 1}), zeros) == DETENT_E_UNSUPPORTED);
  CHECK(status(Tensor::of<float>({2}, {1, 0}), zeros) == DETENT_E_NUMERIC);
  CHECK(status(Tensor::of<float>({2}, {1, -1}), zeros) == DETENT_E_NUMERIC);
  CHECK(status(Tensor::of<float>({2}, {1, inf}), zeros) == DETENT_E_NUMERIC);
  CHECK(status(Tensor::of<float>({2}, {1, std::nanf("")}), zeros) == DETENT_E_NUMERIC);
  CHECK(status(Tensor::of<float>({2}, {1, 1}), Tensor::of<std::uint8_t>({2}, {0, 0})) ==
        DETENT_E_UNSUPPORTED);
}

TEST_CASE("symmetric uint8 has zero point 128, in the metadata and not as a tensor") {
  Quantizer q("int8", {{"/dtype", "uint8"}});
  const Results results = q.quantize(Tensor::of<float>({1, 4}, {-1.27F, 0.0F, 0.01F, 1.27F}));
  CHECK(results.values<std::uint8_t>("qweight") == std::vector<std::uint8_t>{1, 128, 129, 255});
  CHECK_FALSE(results.has("zero_point"));
  CHECK(results.meta.at("zero_point") == "128");
  CHECK(q.dequantize(results, {1, 4})[1] == 0.0F);
  CHECK(Quantizer("int8").dequantize(results, {1, 4}) == q.dequantize(results, {1, 4}));
}

TEST_CASE("symmetric uint8 takes an observer's scale with the zero point 128 and no other") {
  const Tensor weight = Tensor::of<float>({1, 3}, {-0.02F, 0.0F, 0.03F});
  const auto stats = [](std::uint8_t zero_point) {
    Results r;
    r.put("scale", Tensor::of<float>({1}, {0.01F}));
    r.put("zero_point", Tensor::of<std::uint8_t>({1}, {zero_point}));
    return r;
  };
  Quantizer q("int8", {{"/dtype", "uint8"}});
  CHECK(q.quantize(weight, stats(128)).values<std::uint8_t>("qweight") ==
        std::vector<std::uint8_t>{126, 128, 131});
  Results out;
  CHECK(q.try_quantize(weight, stats(127), out) == DETENT_E_NUMERIC);
}

TEST_CASE("narrow_range is the range's own: full for symmetric when asked, narrow for asymmetric") {
  const Tensor weight = Tensor::of<float>({1, 3}, {-1.0F, 0.5F, 0.99F});
  const auto lowest = [&](const Params& params) {
    const auto q = Quantizer("int8", params).quantize(weight).values<std::int8_t>("qweight");
    return int{*std::min_element(q.begin(), q.end())};
  };
  CHECK(lowest({}) == -127);
  CHECK(lowest({{"/symmetric", false}}) == -128);
  CHECK(lowest({{"/symmetric", false}, {"/narrow_range", true}}) == -127);
  Results stats;
  stats.put("scale", Tensor::of<float>({1}, {0.001F}));
  const Params full = {{"/narrow_range", false}};
  CHECK(Quantizer("int8", full).quantize(weight, stats).values<std::int8_t>("qweight")[0] == -128);
  CHECK(Quantizer("int8").quantize(weight, stats).values<std::int8_t>("qweight")[0] == -127);
}

TEST_CASE("int8 says in its metadata what a reader needs") {
  const Results results = Quantizer("int8", {{"/axis", 1}}).quantize(weight_of({3, 2}));
  CHECK(results.meta.at("scheme") == "\"detent.affine/1\"");
  CHECK(results.meta.at("granularity") == "\"per_channel\"");
  CHECK(results.meta.at("axis") == "1");
  // So an instance with other parameters reads it.
  Quantizer other("int8", {{"/granularity", "per_tensor"}, {"/symmetric", false}});
  CHECK(other.dequantize(results, {3, 2}) ==
        Quantizer("int8", {{"/axis", 1}}).dequantize(results, {3, 2}));
}

TEST_CASE("weights that are not finite are refused") {
  Results out;
  Results out_int4;
  const Tensor weight = Tensor::of<float>({1, 3}, {1.0F, std::nanf(""), 2.0F});
  CHECK(Quantizer("int8").try_quantize(weight, {}, out) == DETENT_E_NUMERIC);
  CHECK(Quantizer("int4_groupwise").try_quantize(weight, {}, out_int4) == DETENT_E_NUMERIC);
}

}  // namespace detent::test
