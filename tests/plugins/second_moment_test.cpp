// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "support/catch.hpp"
#include "support/forged_state.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

const detent_plugin& moment() { return Library::built_in("second_moment").plugin("second_moment"); }

Observer make(const detent_qspec& spec, Order order = Order::forward) {
  return Observer(moment(), {}, spec, order);
}

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInf = std::numeric_limits<float>::infinity();

std::string state_of(const std::vector<Tensor>& batches, const detent_qspec& spec,
                     Order order = Order::forward) {
  Observer observer = make(spec, order);
  for (const Tensor& batch : batches) observer.observe(batch);
  return observer.save();
}

std::vector<double> means(const Observer& observer) {
  return observer.stat("stat:second_moment/1").values<double>("mean_square");
}

std::vector<std::int64_t> counts(const Observer& observer) {
  return observer.stat("stat:second_moment/1").values<std::int64_t>("count");
}

// The per-tensor state: started, ndim u32, finite, non_finite u64, limbs u32[20].
constexpr std::size_t kStarted = 0, kNdim = 4, kFinite = 8, kNonFinite = 16, kLimbs = 24,
                      kEnd = 104;

}  // namespace

TEST_CASE("second_moment is the mean of the finite squares of every channel",
          "[plugins][observers][moment]") {
  Observer observer = make(per_channel(qspec(), 1));
  observer.observe(Tensor::of<float>({2, 3, 2}, {1, 2, kNan, -3, 4, 0, 5, 6, 7, kInf, 0, 0}));
  observer.observe(Tensor::of<float>({0, 3, 2}, {}));
  observer.observe(Tensor::of<float>({1, 3, 1}, {1, -kInf, 8}));
  CHECK(means(observer) == std::vector<double>{67.0 / 5, 58.0 / 2, 80.0 / 5});
  CHECK(counts(observer) == std::vector<std::int64_t>{5, 2, 5});
  const Results all = observer.stat("stat:counts/1");
  CHECK(all.values<std::int64_t>("observed")[0] == 12);
  CHECK(all.values<std::int64_t>("non_finite")[0] == 3);

  Observer tensor = make(qspec());
  tensor.observe(Tensor::of<float>({3}, {1, 2, 3}));
  CHECK(means(tensor) == std::vector<double>{14.0 / 3});
  CHECK(counts(tensor) == std::vector<std::int64_t>{3});
}

TEST_CASE("second_moment of a channel without a finite value is zero of zero",
          "[plugins][observers][moment]") {
  Observer observer = make(per_channel(qspec(), 1));
  observer.observe(Tensor::of<float>({2, 2}, {1, kNan, 3, kInf}));
  CHECK(means(observer) == std::vector<double>{5, 0});
  CHECK(counts(observer) == std::vector<std::int64_t>{2, 0});
  Observer nothing = make(qspec());
  Results out;
  CHECK(nothing.try_stat("stat:second_moment/1", out) == DETENT_E_NOT_READY);
  nothing.observe(Tensor::of<float>({1}, {kNan}));
  CHECK(nothing.try_stat("stat:second_moment/1", out) == DETENT_E_NOT_READY);
  CHECK(nothing.error().find("no data observed") != std::string::npos);
}

TEST_CASE("second_moment of five growing batches is one state in all 120 orders and splits",
          "[plugins][observers][moment]") {
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 1)}) {
    std::mt19937 random(4);
    std::vector<Tensor> five;
    for (int b = 0; b < 5; ++b) {
      std::vector<float> x(static_cast<std::size_t>(6 * (b + 1)));
      for (float& v : x)
        v = static_cast<float>(std::ldexp(static_cast<double>(random()),
                                          static_cast<int>(random() % 120) - 80 + 8 * b));
      five.push_back(Tensor::of({b + 1, 6}, x));
    }
    std::vector<int> order = {0, 1, 2, 3, 4};
    std::string expected;
    do {
      Observer whole = make(spec), left = make(spec), right = make(spec);
      for (int i = 0; i < 5; ++i) {
        const Tensor& batch = five[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
        whole.observe(batch);
        (i % 2 == 0 ? left : right).observe(batch);
      }
      right.merge(left);
      if (expected.empty()) expected = whole.save();
      REQUIRE(whole.save() == expected);
      REQUIRE(right.save() == expected);
    } while (std::next_permutation(order.begin(), order.end()));
    Observer fresh = make(spec), loaded = make(spec);
    loaded.load(expected);
    fresh.merge(loaded);
    fresh.merge(make(spec));
    CHECK(fresh.save() == expected);
  }
}

TEST_CASE("second_moment does not depend on the order or the number of the host's tasks",
          "[plugins][observers][moment]") {
  std::mt19937 random(11);
  std::vector<float> values(300 * 1000);
  for (float& v : values) v = static_cast<float>(random()) * 1e-9F - 2.0F;
  values[12345] = kNan;
  const Tensor flat = Tensor::of({300, 1000}, values);
  const Tensor deep = Tensor::of({30, 100, 100}, values);
  for (const Tensor& tensor : {flat, deep})
    for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1)}) {
      const std::string forward = state_of({tensor}, spec);
      CHECK(state_of({tensor}, spec, Order::reversed) == forward);
      CHECK(state_of({tensor}, spec, Order::threads) == forward);
    }
  // A flat tensor's channels are rows of the other one's.
  CHECK(state_of({flat}, qspec()) == state_of({deep}, qspec()));
}

TEST_CASE("second_moment takes every element type and any strides",
          "[plugins][observers][moment]") {
  const Tensor f32 = Tensor::of<float>({2, 3}, {1.5F, -2.25F, 448, kInf, -0.0F, 4});
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1)}) {
    const std::string state = state_of({f32}, spec);
    CHECK(state_of({Tensor::of<double>({2, 3}, {1.5, -2.25, 448, 1e300, -0.0, 4})}, spec) == state);
    CHECK(state_of({Tensor::of_bits<std::uint16_t>(
                       DETENT_F16, {2, 3}, {0x3E00, 0xC080, 0x5F00, 0x7C00, 0x8000, 0x4400})},
                   spec) == state);
    CHECK(state_of({Tensor::of_bits<std::uint16_t>(
                       DETENT_BF16, {2, 3}, {0x3FC0, 0xC010, 0x43E0, 0x7F80, 0x8000, 0x4080})},
                   spec) == state);
    const Tensor transposed = Tensor::of<float>({3, 2}, {1.5F, kInf, -2.25F, -0.0F, 448, 4});
    CHECK(state_of({transposed.strided({2, 3}, {1, 2})}, spec) == state);
  }
  std::vector<std::int8_t> small(70 * 400);
  std::iota(small.begin(), small.end(), std::int8_t{0});
  const std::vector<float> same(small.begin(), small.end());
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0), per_channel(qspec(), 1)})
    CHECK(state_of({Tensor::of<std::int8_t>({70, 400}, small)}, spec) ==
          state_of({Tensor::of<float>({70, 400}, same)}, spec));
  Observer observer = make(qspec());
  CHECK(observer.try_observe(Tensor(DETENT_BOOL, {2}).view()) == DETENT_E_UNSUPPORTED);
}

TEST_CASE("second_moment chooses no range, and says who does", "[plugins][observers][moment]") {
  Observer observer = make(qspec());
  observer.observe(Tensor::of<float>({1}, {1}));
  Results out;
  CHECK(observer.try_qparams(qspec(), out) == DETENT_E_UNSUPPORTED);
  CHECK(observer.error().find("statistic") != std::string::npos);
  CHECK_THROWS_WITH(make(per_group(qspec(), 4)), Catch::Contains("no groups"));
}

TEST_CASE("second_moment refuses what does not fit, and keeps its state",
          "[plugins][observers][moment]") {
  Observer a = make(per_channel(qspec(), 1)), b = make(per_channel(qspec(), 1));
  a.observe(Tensor::of<float>({1, 2}, {1, 2}));
  b.observe(Tensor::of<float>({1, 3}, {1, 2, 3}));
  const std::string before = a.save();
  CHECK(a.try_merge(b) == DETENT_E_INVALID_ARG);
  CHECK(a.try_observe(Tensor::of<float>({1, 3}, {1, 2, 3}).view()) == DETENT_E_INVALID_ARG);
  CHECK(a.try_observe(Tensor::of<float>({3}, {1, 2, 3}).view()) == DETENT_E_INVALID_ARG);
  CHECK(a.save() == before);
  Observer refusing(moment(), {{"/non_finite", "error"}}, qspec());
  const std::string fresh = refusing.save();
  CHECK(refusing.try_observe(Tensor::of<float>({2}, {1, kNan}).view()) == DETENT_E_NUMERIC);
  CHECK(refusing.save() == fresh);
}

TEST_CASE("second_moment saves, loads and saves the same bytes", "[plugins][observers][moment]") {
  for (const detent_qspec& spec : {qspec(), per_channel(qspec(), 0)}) {
    const Tensor x = Tensor::of<float>({2, 2}, {3e38F, 1e-45F, kNan, 1.1F});
    Observer saved = make(spec), loaded = make(spec);
    const std::string fresh = saved.save();
    loaded.load(fresh);
    CHECK(loaded.save() == fresh);
    saved.observe(x);
    loaded.load(saved.save());
    saved.observe(x);
    loaded.observe(x);
    CHECK(loaded.save() == saved.save());
    const std::string whole = saved.save();
    for (std::size_t n = 0; n < whole.size(); ++n) {
      REQUIRE(loaded.try_load(whole.substr(0, n)) == DETENT_E_BAD_STATE);
      REQUIRE(loaded.save() == fresh);
    }
    CHECK(loaded.try_load(whole + '\0') == DETENT_E_BAD_STATE);
    saved.reset();
    CHECK(saved.save() == fresh);
  }
}

TEST_CASE("second_moment refuses forged states", "[plugins][observers][moment]") {
  Observer observer = make(qspec());
  const std::string fresh = observer.save();
  observer.observe(Tensor::of<float>({3}, {1, 2, kNan}));
  const std::string whole = observer.save();
  REQUIRE(whole.size() == kEnd);
  const auto limb = [&](std::size_t i, std::uint32_t v) { return with(whole, kLimbs + 4 * i, v); };
  for (const std::string& forged :
       {with<std::uint32_t>(whole, kStarted, 0), with<std::uint32_t>(whole, kStarted, 2),
        with<std::uint32_t>(whole, kNdim, 1), with<std::uint64_t>(whole, kFinite, 0),
        with(whole, kFinite, ~std::uint64_t{0}), with(whole, kNonFinite, ~std::uint64_t{0}),
        limb(17, 2U << 10), limb(18, 1), limb(19, 1), limb(19, 0x80000000U)}) {
    CHECK(observer.try_load(forged) == DETENT_E_BAD_STATE);
    CHECK(observer.save() == fresh);
  }
  observer.load(limb(17, (2U << 10) - 1));  // two squares of almost 2^256
  Observer channels = make(per_channel(qspec(), 0));
  channels.observe(Tensor::of<float>({2}, {1, 2}));
  const std::string two = channels.save();
  for (const std::int64_t extent :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1} << 62, std::int64_t{3}})
    CHECK(channels.try_load(with(two, 8, extent)) == DETENT_E_BAD_STATE);
}

TEST_CASE("second_moment refuses to count beyond 2^62", "[plugins][observers][moment]") {
  Observer observer = make(qspec());
  observer.observe(Tensor::of<float>({1}, {1}));
  observer.load(with(observer.save(), kFinite, std::uint64_t{1} << 62));
  const std::string before = observer.save();
  CHECK(observer.try_observe(Tensor::of<float>({1}, {1}).view()) == DETENT_E_NUMERIC);
  CHECK(observer.save() == before);
}

TEST_CASE("what observing second moments costs", "[.][benchmark]") {
  std::vector<float> x(4096 * 384);
  std::mt19937 random(1);
  for (float& v : x) v = static_cast<float>(random()) * 1e-9F - 2.0F;
  const Tensor rows = Tensor::of({4096, 384, 1}, x), images = Tensor::of({128, 64, 192}, x);
  Observer of_rows = make(per_channel(qspec(), 1)), of_images = make(per_channel(qspec(), 1));
  BENCHMARK("4096 rows of 384 channels, 1572864 values") { return of_rows.observe(rows), 0; };
  BENCHMARK("128 images of 64 channels of 192, 1572864 values") {
    return of_images.observe(images), 0;
  };
}

}  // namespace detent::test
