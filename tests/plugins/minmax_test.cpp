// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "support/mini_host.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

const detent_plugin& minmax() {
  static const Library library = Library::built_in("minmax");
  return library.plugin("minmax");
}

Observer make(const detent_qspec& spec, Order order = Order::forward) {
  return Observer(minmax(), {}, spec, order);
}

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInf = std::numeric_limits<float>::infinity();

std::vector<double> ends(const Observer& observer) {
  const Results stat = observer.stat("stat:minmax/1");
  auto out = stat.values<double>("min");
  for (const double v : stat.values<double>("max")) out.push_back(v);
  return out;
}

std::string state_of(const std::vector<Tensor>& batches, const detent_qspec& spec,
                     Order order = Order::forward) {
  Observer observer = make(spec, order);
  for (const Tensor& batch : batches) observer.observe(batch);
  return observer.save();
}

}  // namespace

TEST_CASE("minmax does not depend on the order of the batches", "[plugins][observers]") {
  for (const char* const input : {"growth_10", "nan_second_batch", "empty_between", "spike_mid"}) {
    auto batches = vector_input(std::string("inputs/") + input + ".safetensors");
    const std::string in_order = state_of(batches, qspec());
    std::mt19937 random(3);
    for (int i = 0; i < 5; ++i) {
      std::shuffle(batches.begin(), batches.end(), random);
      INFO(input);
      CHECK(state_of(batches, qspec()) == in_order);
    }
  }
}

TEST_CASE("minmax merged in any grouping is the state of the whole, byte for byte",
          "[plugins][observers]") {
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 1), per_group(qspec(), 7)}) {
    const auto batches = vector_input("inputs/act_nchw_3batches.safetensors");
    const std::string whole = state_of(batches, spec);
    Observer a = make(spec), b = make(spec), c = make(spec), fresh = make(spec);
    a.observe(batches[0]);
    b.observe(batches[1]);
    c.observe(batches[2]);
    const std::string b_before = b.save();
    c.merge(b);  // c, b, then a: neither the order nor the grouping of the whole
    CHECK(b.save() == b_before);
    c.merge(fresh);
    c.merge(a);
    CHECK(c.save() == whole);
    fresh.merge(c);
    CHECK(fresh.save() == whole);
  }
}

TEST_CASE("minmax refuses to merge observers of different channels", "[plugins][observers]") {
  Observer a = make(per_channel(qspec(), 0)), b = make(per_channel(qspec(), 0));
  a.observe(Tensor::of<float>({2, 2}, {1, 2, 3, 4}));
  b.observe(Tensor::of<float>({4, 1}, {1, 2, 3, 4}));
  const std::string before = a.save();
  CHECK(a.try_merge(b) == DETENT_E_INVALID_ARG);
  CHECK(a.error().find("[2] and [4]") != std::string::npos);
  CHECK(a.save() == before);
}

TEST_CASE("minmax gives the same bytes whatever order the host's tasks run in",
          "[plugins][observers]") {
  std::mt19937 random(11);
  std::vector<float> values(300 * 1000);
  for (float& v : values) v = static_cast<float>(random()) * 1e-9F - 2.0F;
  values[12345] = kNan;
  const Tensor tensor = Tensor::of({300, 1000}, values);
  for (const detent_qspec& spec :
       {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1), per_group(qspec(), 128)}) {
    const std::string forward = state_of({tensor}, spec);
    CHECK(state_of({tensor}, spec, Order::reversed) == forward);
    CHECK(state_of({tensor}, spec, Order::threads) == forward);
  }
}

TEST_CASE("minmax of a view is minmax of its compact copy", "[plugins][observers]") {
  const Tensor x = Tensor::of<float>({2, 3}, {1, kNan, -3, 4, 50, 6});
  const Tensor transposed = Tensor::of<float>({3, 2}, {1, 4, kNan, 50, -3, 6});
  for (const detent_qspec& spec :
       {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1), per_group(qspec(), 2)}) {
    CHECK(state_of({x.strided({3, 2}, {1, 3})}, spec) == state_of({transposed}, spec));
    CHECK(state_of({transposed.strided({2, 3}, {1, 2})}, spec) == state_of({x}, spec));
  }
  const Tensor backwards = Tensor::of<float>({6}, {6, 50, 4, -3, kNan, 1});
  CHECK(state_of({x.strided({6}, {-1}, 5)}, per_group(qspec(), 2)) ==
        state_of({backwards}, per_group(qspec(), 2)));
  CHECK(state_of({x.strided({5}, {0}, 3)}, qspec()) ==
        state_of({Tensor::of<float>({5}, {4, 4, 4, 4, 4})}, qspec()));
}

// 1.5, -2.25, 448, inf and -0 are exact in every floating-point format here.
TEST_CASE("minmax sees the same numbers in every element type", "[plugins][observers]") {
  const Tensor f32 = Tensor::of<float>({5}, {1.5F, -2.25F, 448.0F, kInf, -0.0F});
  const Tensor f64 = Tensor::of<double>({5}, {1.5, -2.25, 448.0, HUGE_VAL, -0.0});
  const Tensor f16 =
      Tensor::of_bits<std::uint16_t>(DETENT_F16, {5}, {0x3E00, 0xC080, 0x5F00, 0x7C00, 0x8000});
  const Tensor bf16 =
      Tensor::of_bits<std::uint16_t>(DETENT_BF16, {5}, {0x3FC0, 0xC010, 0x43E0, 0x7F80, 0x8000});
  const std::string expected = state_of({f32}, qspec());
  CHECK(state_of({f64}, qspec()) == expected);
  CHECK(state_of({f16}, qspec()) == expected);
  CHECK(state_of({bf16}, qspec()) == expected);
}

TEMPLATE_TEST_CASE("minmax takes integers", "[plugins][observers]", std::int8_t, std::uint8_t,
                   std::int16_t, std::uint16_t, std::int32_t, std::uint32_t, std::int64_t,
                   std::uint64_t) {
  using L = std::numeric_limits<TestType>;
  Observer observer = make(qspec());
  observer.observe(Tensor::of<TestType>({3}, {L::max(), L::min(), 3}));
  CHECK(ends(observer) ==
        std::vector<double>{static_cast<double>(L::min()), static_cast<double>(L::max())});
}

TEST_CASE("minmax refuses other element types", "[plugins][observers]") {
  Observer observer = make(qspec());
  CHECK(observer.try_observe(Tensor(DETENT_BOOL, {3}).view()) == DETENT_E_UNSUPPORTED);
  CHECK(observer.try_observe(Tensor(DETENT_I4, {3}).view()) == DETENT_E_UNSUPPORTED);
  CHECK(observer.try_observe(Tensor(DETENT_BOOL, {3}).view()) == DETENT_E_UNSUPPORTED);
}

TEST_CASE("minmax takes per group what a row's groups hold", "[plugins][observers]") {
  Observer observer = make(per_group(qspec(-8, 7, true), 2));
  observer.observe(Tensor::of<float>({2, 1, 3}, {1, -7, 14, 0, 0, -21}));
  CHECK(ends(observer) == std::vector<double>{-7, 14, 0, -21, 1, 14, 0, -21});
  const Results params = observer.qparams();
  CHECK(params.tensor("scale").shape() == Shape{2, 2});
  CHECK(params.values<float>("scale") == std::vector<float>{1, 2, 1, 3});
  CHECK_FALSE(params.has("zero_point"));
}

TEST_CASE("minmax treats a channel without a finite value as a zero range",
          "[plugins][observers]") {
  Observer observer = make(per_channel(qspec(), 0));
  observer.observe(Tensor::of<float>({2, 2}, {0, 255, kNan, kInf}));
  const Results params = observer.qparams();
  CHECK(params.values<float>("scale") == std::vector<float>{1, 1});
  CHECK(params.values<std::int8_t>("zero_point") == std::vector<std::int8_t>{-128, 0});
  CHECK(ends(observer) == std::vector<double>{0, 0, 255, 0});
}

TEST_CASE("minmax counts finite and other elements", "[plugins][observers]") {
  Observer observer = make(qspec());
  CHECK(observer.stat("stat:counts/1").values<std::int64_t>("observed")[0] == 0);
  observer.observe(Tensor::of<float>({4}, {1, kNan, kInf, -kInf}));
  observer.observe(Tensor::of<float>({2}, {1, 2}));
  CHECK(observer.stat("stat:counts/1").values<std::int64_t>("observed")[0] == 3);
  CHECK(observer.stat("stat:counts/1").values<std::int64_t>("non_finite")[0] == 3);
}

TEST_CASE("minmax refuses a batch with other channels and keeps its state",
          "[plugins][observers]") {
  Observer observer = make(per_channel(qspec(), 1));
  observer.observe(Tensor::of<float>({1, 2}, {1, 2}));
  const std::string before = observer.save();
  CHECK(observer.try_observe(Tensor(DETENT_F32, {2, 3}).view()) == DETENT_E_INVALID_ARG);
  CHECK(observer.error().find("a batch of shape [2, 3]") == 0);
  CHECK(observer.try_observe(Tensor(DETENT_F32, {2}).view()) == DETENT_E_INVALID_ARG);
  CHECK(observer.error().find("channel axis 1 of a tensor with 1 dimensions") == 0);
  CHECK(observer.save() == before);
  observer.observe(Tensor(DETENT_F32, {0, 3}));  // no elements: nothing happens
  CHECK(observer.save() == before);
}

TEST_CASE("minmax reports the range it maps to the codes", "[plugins][observers]") {
  Observer asymmetric = make(qspec());
  asymmetric.observe(Tensor::of<float>({2}, {5, 255}));
  CHECK(asymmetric.qparams().values<double>("range_min")[0] == 0.0);
  CHECK(asymmetric.qparams().values<double>("range_max")[0] == 255.0);
  Observer symmetric = make(qspec(-127, 127, true));
  symmetric.observe(Tensor::of<float>({2}, {-3, 1}));
  CHECK(symmetric.qparams().values<double>("range_min")[0] == -3.0);
  CHECK(symmetric.qparams().values<double>("range_max")[0] == 3.0);
}

TEST_CASE("minmax writes zero points in the type it is asked for", "[plugins][observers]") {
  Observer observer = make(qspec());
  observer.observe(Tensor::of<float>({2}, {0, 255}));
  detent_qspec spec = qspec();
  spec.zero_dtype = DETENT_I32;
  Results wide;
  REQUIRE(observer.try_qparams(spec, wide) == DETENT_OK);
  CHECK(wide.values<std::int32_t>("zero_point") == std::vector<std::int32_t>{-128});
  Results refused;
  spec.zero_dtype = DETENT_U8;  // -128 is not one
  CHECK(observer.try_qparams(spec, refused) == DETENT_E_INVALID_ARG);
  spec.zero_dtype = DETENT_F32;
  CHECK(observer.try_qparams(spec, refused) == DETENT_E_UNSUPPORTED);
  CHECK_FALSE(refused.has("scale"));
}

TEST_CASE("minmax refuses targets it cannot serve", "[plugins][observers]") {
  Observer observer = make(qspec());
  observer.observe(Tensor::of<float>({2}, {0, 255}));
  const auto status = [&](const detent_qspec& spec) {
    Results out;
    return observer.try_qparams(spec, out);
  };
  CHECK(status(qspec(7, 7)) == DETENT_E_INVALID_ARG);
  CHECK(status(qspec(7, -8)) == DETENT_E_INVALID_ARG);
  CHECK(status(qspec(INT64_MIN, INT64_MAX)) == DETENT_E_INVALID_ARG);
  CHECK(status(per_channel(qspec(), 0)) == DETENT_E_INVALID_ARG);
  detent_qspec half_scale = qspec();
  half_scale.scale_dtype = DETENT_F16;
  CHECK(status(half_scale) == DETENT_E_UNSUPPORTED);
  detent_qspec block = qspec();
  block.granularity = DETENT_PER_BLOCK;
  CHECK_THROWS(make(block));
  CHECK_THROWS(make(per_group(qspec(), 0)));
  CHECK_THROWS(make(per_channel(qspec(), -1)));
}

}  // namespace detent::test
