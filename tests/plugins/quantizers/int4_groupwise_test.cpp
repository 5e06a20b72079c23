// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

std::string declined(const Shape& shape, const Layer& layer, const Params& params = {}) {
  return Quantizer("int4_groupwise", params).plan(shape, layer).declined;
}

// The squared error of each group.
std::vector<double> group_errors(const std::vector<float>& x, const std::vector<float>& y,
                                 std::size_t columns, std::size_t group_size) {
  std::vector<double> errors;
  for (std::size_t row = 0; row < x.size(); row += columns) {
    for (std::size_t c = 0; c < columns; c += group_size) {
      double sum = 0;
      for (std::size_t i = row + c; i < row + std::min(c + group_size, columns); ++i)
        sum += (double{x[i]} - y[i]) * (double{x[i]} - y[i]);
      errors.push_back(sum);
    }
  }
  return errors;
}

// Of the same weight: without a search and with it.
struct Compared {
  std::vector<double> plain, searched;
  double gain_db;
};

Compared compare(const Tensor& weight, int group_size, bool symmetric) {
  const auto x = weight.values<float>();
  const auto columns = static_cast<std::size_t>(weight.shape()[1]);
  const auto errors = [&](const char* search, std::vector<float>& back) {
    Quantizer q("int4_groupwise",
                {{"/group_size", group_size}, {"/symmetric", symmetric}, {"/search", search}});
    back = q.dequantize(q.quantize(weight), weight.shape());
    return group_errors(x, back, columns, static_cast<std::size_t>(group_size));
  };
  std::vector<float> plain, searched;
  Compared c{errors("none", plain), errors("mse", searched), 0};
  c.gain_db = sqnr_db(x, searched) - sqnr_db(x, plain);
  return c;
}

void check_never_worse(const Compared& c) {
  REQUIRE(c.plain.size() == c.searched.size());
  for (std::size_t g = 0; g < c.plain.size(); ++g) {
    CAPTURE(g);
    REQUIRE(c.searched[g] <= c.plain[g]);
  }
}

Tensor student_t(const Shape& shape, unsigned seed) {
  auto x = vector_input("inputs/student_t3.safetensors").at(0).values<float>();
  const auto n = static_cast<std::size_t>(shape[0] * shape[1]);
  std::rotate(x.begin(), x.begin() + seed, x.end());
  x.resize(n);
  return Tensor::of(shape, x);
}

}  // namespace

TEST_CASE("int4_groupwise plans packed rows and one scale per group") {
  const Planned p = Quantizer("int4_groupwise").plan({16, 300});
  CHECK(p.outputs == std::vector<Planned::Output>{{"qweight", DETENT_I4, {16, 300}},
                                                  {"scale", DETENT_F32, {16, 3}}});
  REQUIRE(p.target);
  CHECK((p.target->qdtype == DETENT_I4 && p.target->granularity == DETENT_PER_GROUP));
  CHECK((p.target->group_size == 128 && p.target->qmin == -8 && p.target->qmax == 7));
}

TEST_CASE("int4_groupwise flattens a convolution to a row per filter") {
  const Params params = {{"/group_size", 32}, {"/symmetric", false}};
  const Planned p = Quantizer("int4_groupwise", params).plan({64, 4, 3, 3}, {"conv", "Conv2d"});
  CHECK(p.outputs == std::vector<Planned::Output>{{"qweight", DETENT_I4, {64, 36}},
                                                  {"scale", DETENT_F32, {64, 2}},
                                                  {"zero_point", DETENT_I8, {64, 2}}});
  // The same numbers as the matrix, and dequantized into the convolution's shape.
  const Tensor conv = vector_input("inputs/weight_conv_8x4x3x3.safetensors").at(0);
  Quantizer q("int4_groupwise", params);
  const Results as_conv = q.quantize(conv);
  const Tensor matrix = Tensor::of(Shape{8, 36}, conv.values<float>());
  Results as_matrix = q.quantize(matrix);
  CHECK(as_conv.meta.at("shape") == "[8, 4, 3, 3]");
  as_matrix.meta["shape"] = as_conv.meta.at("shape");
  CHECK(all_bytes(as_conv) == all_bytes(as_matrix));
  CHECK(q.dequantize(as_conv, {8, 4, 3, 3}) == q.dequantize(as_matrix, {8, 36}));
}

TEST_CASE("int4_groupwise skips what 4 bits are too few for, and says so") {
  const std::string hint = " (\"default_skip\": false includes it)";
  CHECK(declined({64, 64}, {"emb", "Embedding"}) == "embedding layer" + hint);
  CHECK(declined({64, 64}, {"emb", "EmbeddingBag"}) == "embedding layer" + hint);
  CHECK(declined({64, 64}, {"model.lm_head", "Linear"}) == "output layer lm_head" + hint);
  CHECK(declined({64, 64}, {"lm_head", "Linear"}) == "output layer lm_head" + hint);
  CHECK(declined({8, 8}, {"fc", "Linear", "weight", 511}) ==
        "layer with 511 parameters, fewer than 512" + hint);
  CHECK(declined({64, 64}, {"ln", "LayerNorm"}) == "normalization layer");
  CHECK(declined({64, 64}, {"bn", "BatchNorm2d"}) == "normalization layer");
  CHECK(declined({64}, {"fc", "Linear", "bias"}) == "bias stays in floating point");
  CHECK(declined({16, 32}, {"fc", "Linear", "weight", 512}) == "");
  CHECK(declined({64, 64}, {"my_lm_head", "Linear"}) == "");
}

TEST_CASE("default_skip false takes embeddings, small layers and lm_head") {
  const Params all = {{"/default_skip", false}};
  CHECK(declined({64, 64}, {"emb", "Embedding"}, all) == "");
  CHECK(declined({8, 8}, {"fc", "Linear", "weight", 64}, all) == "");
  CHECK(declined({64, 64}, {"lm_head", "Linear"}, all) == "");
  CHECK(declined({64, 64}, {"ln", "LayerNorm"}, all) == "normalization layer");
}

TEST_CASE("tail error refuses rows that are no whole groups and names sizes that fit") {
  const auto error = [](std::int64_t columns, int group_size) {
    const Params params = {{"/tail", "error"}, {"/group_size", group_size}};
    const Planned p = Quantizer("int4_groupwise", params).plan({64, columns});
    CHECK(p.status == (p.error.empty() ? DETENT_OK : DETENT_E_PARAMS));
    return p.error;
  };
  CHECK(error(64, 128) ==
        "group_size 128 does not fit layer \"fc1\" with 64 input features\n"
        "use \"group_size\": 64 or 32, or \"tail\": \"short\"");
  CHECK(error(101, 32) ==
        "group_size 32 does not fit layer \"fc1\" with 101 input features\n"
        "use \"tail\": \"short\"");
  CHECK(error(256, 128) == "");
}

TEST_CASE("short last groups, odd rows and groups longer than a row come back") {
  for (const std::int64_t columns : {1, 7, 64, 100, 129, 1025, 70001}) {
    for (const int group_size : {1, 3, 32, 128, 100000}) {
      for (const bool symmetric : {true, false}) {
        CAPTURE(columns, group_size, symmetric);
        const Shape shape = {3, columns};
        const auto x = random_weights(static_cast<std::size_t>(3 * columns), 5);
        Quantizer q("int4_groupwise", {{"/group_size", group_size}, {"/symmetric", symmetric}});
        const Results results = q.quantize(Tensor::of(shape, x));
        const std::int64_t groups = (columns + group_size - 1) / group_size;
        REQUIRE(results.tensor("scale").shape() == Shape{3, groups});
        const auto scale = results.values<float>("scale");
        const auto back = q.dequantize(results, shape);
        bool within = true;
        for (std::size_t i = 0; i < x.size(); ++i) {
          const auto row = static_cast<std::int64_t>(i) / columns;
          const auto group = static_cast<std::int64_t>(i) % columns / group_size;
          // An asymmetric zero point is rounded: the far end can lie half a step outside the codes.
          const float bound = scale[static_cast<std::size_t>(row * groups + group)] *
                              (symmetric ? 0.5001F : 1.0001F);
          within = within && std::abs(x[i] - back[i]) <= bound;
        }
        REQUIRE(within);
      }
    }
  }
}

TEST_CASE("zero and constant groups come back") {
  std::vector<float> x(3 * 32, 0.0F);
  std::fill(x.begin() + 32, x.begin() + 64, 0.7F);
  std::fill(x.begin() + 64, x.end(), -0.3F);
  for (const char* search : {"none", "mse"}) {
    for (const bool symmetric : {true, false}) {
      Quantizer q("int4_groupwise",
                  {{"/group_size", 32}, {"/symmetric", symmetric}, {"/search", search}});
      const Results results = q.quantize(Tensor::of({1, 96}, x));
      const auto back = q.dequantize(results, {1, 96});
      CAPTURE(search, symmetric);
      CHECK(results.values<float>("scale")[0] == 1.0F);
      CHECK(back[0] == 0.0F);
      CHECK(std::abs(back[40] - 0.7F) < 1e-6F);
      CHECK(std::abs(back[70] + 0.3F) < 1e-6F);
    }
  }
}

TEST_CASE("the mse search is worse on no group and better on the whole") {
  const Tensor uniform = vector_input("inputs/weight_256x256.safetensors").at(0);
  for (const bool symmetric : {true, false}) {
    for (const int group_size : {32, 128}) {
      CAPTURE(symmetric, group_size);
      const Compared even = compare(uniform, group_size, symmetric);
      check_never_worse(even);
      CHECK(even.gain_db > 0.05);
      // Heavy tails are what clipping is for.
      const Compared heavy = compare(student_t({64, 256}, 77), group_size, symmetric);
      check_never_worse(heavy);
      CHECK(heavy.gain_db > 0.3);
    }
  }
}

TEST_CASE(
    "the mse search starts from an observer's scale too, and is not worse than plain rounding") {
  const Tensor weight = student_t({8, 128}, 5);
  const auto x = weight.values<float>();
  Quantizer plain("int4_groupwise"), search("int4_groupwise", {{"/search", "mse"}});
  const auto plain_back = plain.dequantize(plain.quantize(weight), {8, 128});
  // One scale that is far too large, one that is good.
  for (const float factor : {10.0F, 0.8F}) {
    Results stats;
    auto scales = plain.quantize(weight).values<float>("scale");
    for (float& s : scales) s *= factor;
    stats.put("scale", Tensor::of({8, 1}, scales));
    const Results results = search.quantize(weight, stats);
    const auto searched = group_errors(x, search.dequantize(results, {8, 128}), 128, 128);
    const auto before = group_errors(x, plain_back, 128, 128);
    const auto given =
        group_errors(x, plain.dequantize(plain.quantize(weight, stats), {8, 128}), 128, 128);
    for (std::size_t g = 0; g < searched.size(); ++g) {
      CAPTURE(factor, g);
      CHECK(searched[g] <= before[g]);
      CHECK(searched[g] <= given[g]);
    }
  }
}

TEST_CASE("an observer's scales are used as they are without a search") {
  Results stats;
  stats.put("scale", Tensor::of<float>({1, 2}, {1.0F, 0.5F}));
  stats.put("zero_point", Tensor::of<std::int8_t>({1, 2}, {-8, 3}));
  Quantizer q("int4_groupwise", {{"/group_size", 2}, {"/symmetric", false}});
  const Results results = q.quantize(Tensor::of<float>({1, 4}, {3.0F, 99.0F, -1.0F, 1.25F}), stats);
  CHECK(unpack(results.tensor("qweight")) == std::vector<std::int8_t>{-5, 7, 1, 5});
  Results wrong;
  wrong.put("scale", Tensor::of<float>({1, 2}, {1.0F, 0.5F}));
  wrong.put("zero_point", Tensor::of<std::int8_t>({1, 2}, {-9, 3}));
  Results out;
  CHECK(q.try_quantize(Tensor::of<float>({1, 4}, {0, 0, 0, 0}), wrong, out) == DETENT_E_NUMERIC);
}

TEST_CASE("int4_groupwise and fp16 are for weights only") {
  for (const char* id : {"int4_groupwise", "fp16"}) {
    CAPTURE(id);
    CHECK_THROWS(Quantizer(id, {}, Order::forward, DETENT_ROLE_ACTIVATION));
  }
  CHECK_THROWS(Quantizer("int4_groupwise", {{"/group_size", 0}}));
}

TEST_CASE("codes that a format stores as bytes are read like 4-bit ones") {
  const Tensor weight = Tensor::of({3, 7}, random_weights(21, 2));
  Quantizer q("int4_groupwise", {{"/group_size", 4}});
  Results stored = q.quantize(weight);
  const auto expected = q.dequantize(stored, {3, 7});
  const auto bytes = stored.tensor("qweight").bytes();
  stored.put("qweight", Tensor::of(Shape{3, 4}, bytes));
  CHECK(Quantizer("int4_groupwise").dequantize(stored, {3, 7}) == expected);
}

}  // namespace detent::test
