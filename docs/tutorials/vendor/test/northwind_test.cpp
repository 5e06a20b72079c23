// SPDX-License-Identifier: Apache-2.0
// northwind_test NORTHWIND [NORTHWIND_RUST]: the plugins as a host uses them, and that both
// observers say the same, bit for bit.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>

#include <detent/sdk/testing.hpp>

namespace testing = detent::sdk::testing;

static int failures = 0;
#define CHECK(condition) \
  if (!(condition)) ++failures, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)

static detent_qspec int8_target(int32_t granularity, uint32_t symmetric) {
  detent_qspec target{};
  target.struct_size = sizeof target;
  target.qdtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.zero_dtype = DETENT_I8;
  target.symmetric = symmetric;
  target.granularity = granularity;
  target.qmin = -127;
  target.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

static std::vector<float> scales(const testing::Observer& o, const detent_qspec& target) {
  testing::Call call;
  testing::Store result;
  CHECK(o->compute_qparams(o, call, &target, result.sink()) == DETENT_OK);
  return result.find("scale") != nullptr ? result.values<float>("scale") : std::vector<float>();
}

static std::string state_of(const testing::Observer& o) {
  testing::Call call;
  testing::Stream state;
  CHECK(o->save_state(o, call, state.out()) == DETENT_OK);
  return state.bytes;
}

// 100 values of which 5 are far out: 95 % of them are at most 1, an edge of a bin.
static void cuts_outliers_off(const detent_plugin& plugin) {
  std::vector<float> values(100, -1.0F);
  for (int i = 0; i < 5; ++i) values[static_cast<size_t>(i)] = 127;
  const testing::Tensor x({100}, values);
  const detent_qspec target = int8_target(DETENT_PER_TENSOR, 1);
  testing::Call call;
  const testing::Params all{{"/percentile", 100.0}}, most{{"/percentile", 95.0}};
  const testing::Observer whole(plugin, all.config("", &target)),
      cut(plugin, most.config("", &target));
  CHECK(whole->observe(whole, call, x) == DETENT_OK);
  CHECK(cut->observe(cut, call, x) == DETENT_OK);
  CHECK(scales(whole, target) == std::vector<float>{1});
  CHECK(scales(cut, target) == std::vector<float>{1.03125F / 127});  // the upper end of 1's bin
}

// Batches in another order, in two parts, give the same state.
static void merges_exactly(const detent_plugin& plugin,
                           const std::vector<std::unique_ptr<testing::Tensor>>& batches) {
  const detent_qspec target = int8_target(DETENT_PER_CHANNEL, 1);
  const testing::Params params;
  const testing::Observer whole(plugin, params.config("", &target)),
      a(plugin, params.config("", &target)), b(plugin, params.config("", &target));
  testing::Call call;
  for (const auto& x : batches) CHECK(whole->observe(whole, call, *x) == DETENT_OK);
  for (size_t i = batches.size(); i-- > 0;)
    CHECK((i % 2 ? a : b)->observe(i % 2 ? a : b, call, *batches[i]) == DETENT_OK);
  CHECK(a->merge(a, call, b) == DETENT_OK);
  CHECK(state_of(a) == state_of(whole));
}

static void agree(const detent_plugin& cpp, const detent_plugin& rust,
                  const std::vector<std::unique_ptr<testing::Tensor>>& batches) {
  for (const double percentile : {50.0, 99.0, 99.9, 100.0})
    for (const int32_t granularity : {DETENT_PER_TENSOR, DETENT_PER_CHANNEL})
      for (const uint32_t symmetric : {0U, 1U}) {
        const detent_qspec target = int8_target(granularity, symmetric);
        const testing::Params params{{"/percentile", percentile}};
        const testing::Observer a(cpp, params.config("", &target)),
            b(rust, params.config("", &target));
        testing::Call call;
        for (const auto& x : batches) {
          CHECK(a->observe(a, call, *x) == DETENT_OK);
          CHECK(b->observe(b, call, *x) == DETENT_OK);
        }
        const auto ours = scales(a, target), theirs = scales(b, target);
        CHECK(ours.size() == theirs.size());
        CHECK(std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)) == 0);
        CHECK(state_of(a) == state_of(b));
        testing::Stream state(state_of(a), 7);  // what one saved the other loads
        CHECK(b->load_state(b, call, state.in()) == DETENT_OK);
        CHECK(state_of(b) == state_of(a));
      }
}

static void codes_and_back(const detent_plugin& plugin) {
  const testing::Params params{{"/group_size", 8}};
  const testing::Quantizer q(plugin, params.config("w", nullptr));
  testing::Call call;
  testing::Store none, made;
  // Levels of a group whose scale is 2, and a second group of zeros.
  const testing::Tensor weight(
      {1, 10}, std::vector<float>{-2, -0.957F, -0.434F, 0, 0.321F, 0.676F, 1.125F, 2, 0, 0});
  CHECK(q->quantize(q, call, weight, none.source(), made.sink()) == DETENT_OK);
  CHECK((made.values<float>("scale") == std::vector<float>{2, 1}));
  // Codes 0..7, 3, 3 in three bits each, the first in the lowest bits: 0x88 0xC6 0xFA 0x1B.
  CHECK((made.values<uint8_t>("qweight") == std::vector<uint8_t>{0x88, 0xC6, 0xFA, 0x1B}));
  made.meta["group_size"] = "8";
  const testing::Tensor back(testing::Tensor::Zeros{}, DETENT_F32, {1, 10});
  CHECK(q->dequantize(q, call, made.source(), back) == DETENT_OK);
  const std::vector<float> expected{
      -2, -0.95725834F, -0.43428364F, 0, 0.32186034F, 0.67583036F, 1.12523388F, 2, 0, 0};
  CHECK(back.values<float>() == expected);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::unique_ptr<testing::Tensor>> batches;
  for (int i = 0; i < 4; ++i) {
    std::vector<float> values(6 * 500);
    for (float& v : values) v = normal(random) * std::exp(normal(random));
    values[17] = NAN, values[18] = INFINITY, values[19] = 0, values[20] = 1e-42F,
    values[21] = 3e38F;
    batches.push_back(std::make_unique<testing::Tensor>(std::vector<int64_t>{6, 500},
                                                        std::vector<int64_t>{1, 6}, values));
  }
  const testing::Library northwind{std::string(argv[1])};
  const detent_plugin& percentile = northwind.plugin("northwind.percentile");
  cuts_outliers_off(percentile);
  merges_exactly(percentile, batches);
  codes_and_back(northwind.plugin("northwind.nf3"));
  if (argc > 2) {
    const testing::Library with_rust{std::string(argv[2])};
    const detent_plugin& rust = with_rust.plugin("northwind.percentile_rust");
    cuts_outliers_off(rust);
    merges_exactly(rust, batches);
    agree(percentile, rust, batches);
  }
  return failures == 0 ? 0 : 1;
}
