// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"

namespace detent::test {

TEST_CASE("fp16 takes every floating-point tensor of a layer but those that are F16 already") {
  Quantizer q("fp16");
  for (const char* param : {"weight", "bias", "running_mean"}) {
    for (const detent_dtype dtype : {DETENT_F32, DETENT_F64, DETENT_BF16}) {
      const Planned p = q.plan({5}, {"bn", "BatchNorm1d", param}, dtype);
      CHECK(p.outputs == std::vector<Planned::Output>{{"qweight", DETENT_F16, {5}}});
      CHECK_FALSE(p.target);
    }
  }
  CHECK(q.plan({}, {"clip", "", "logit_scale"}).outputs.size() == 1);
  CHECK(q.plan({5}, {}, DETENT_F16).declined == "already F16");
  CHECK(q.plan({5}, {}, DETENT_I64).declined == "not a floating-point tensor");
  CHECK(q.plan({0, 5}).declined == "no elements");
}

TEST_CASE("fp16 rounds to the nearest half and comes back as float32") {
  // 2049 is the tie between 2048 and 2050; 0.1 is 0x2E66 in binary16, 0.0999755859375.
  const Tensor weight = Tensor::of<float>({5}, {2049.0F, 2051.0F, 0.1F, -0.0F, 6e-8F});
  Quantizer q("fp16");
  const Results results = q.quantize(weight);
  CHECK(results.values<std::uint16_t>("qweight") ==
        std::vector<std::uint16_t>{0x6800, 0x6802, 0x2E66, 0x8000, 0x0001});
  CHECK(q.dequantize(results, {5}) ==
        std::vector<float>{2048.0F, 2052.0F, 0.0999755859375F, -0.0F, 0x1p-24F});
  CHECK(results.meta.at("scheme") == "\"detent.cast/1\"");
  CHECK(results.meta.at("overflow_count") == "0");
}

TEST_CASE("fp16 counts values beyond 65504, and clamps or refuses them only when asked") {
  const Tensor weight = Tensor::of<float>({2, 2}, {65504.0F, 70000.0F, -1e30F, 1.0F});
  const float inf = std::numeric_limits<float>::infinity();
  Quantizer warn("fp16"), clamp("fp16", {{"/overflow", "clamp"}}),
      error("fp16", {{"/overflow", "error"}});
  const Results warned = warn.quantize(weight);
  CHECK(warned.meta.at("overflow_count") == "2");
  CHECK(warn.dequantize(warned, {2, 2}) == std::vector<float>{65504.0F, inf, -inf, 1.0F});

  const Results clamped = clamp.quantize(weight);
  CHECK(clamped.meta.at("overflow_count") == "2");
  CHECK(clamp.dequantize(clamped, {2, 2}) ==
        std::vector<float>{65504.0F, 65504.0F, -65504.0F, 1.0F});

  Results out;
  CHECK(error.try_quantize(weight, {}, out) == DETENT_E_NUMERIC);
  CHECK(error.error() ==
        "2 of 4 values lie beyond 65504, the largest float16\n"
        "use \"overflow\": \"clamp\", or keep this layer as it is");
}

TEST_CASE("fp16 rounds f64 once") {
  // Just above the tie between 2048 and 2050; through float32 it would become the tie.
  const Results results = Quantizer("fp16").quantize(Tensor::of<double>({1}, {2049.0 + 0x1p-30}));
  CHECK(results.values<std::uint16_t>("qweight")[0] == 0x6801);
}

TEST_CASE("fp16 is the same for any order of threads, and in blocks") {
  auto x = random_weights(200001, 6);
  x[70000] = 1e10F;
  x[200000] = -1e10F;
  const Tensor weight = Tensor::of(Shape{200001}, x);
  const Results results = Quantizer("fp16").quantize(weight);
  CHECK(results.meta.at("overflow_count") == "2");
  const auto expected = all_bytes(results);
  CHECK(all_bytes(Quantizer("fp16", {}, Order::reversed).quantize(weight)) == expected);
  CHECK(all_bytes(Quantizer("fp16", {}, Order::threads).quantize(weight)) == expected);
}

}  // namespace detent::test
