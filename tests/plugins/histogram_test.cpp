// SPDX-License-Identifier: Apache-2.0
// The histogram observer's state: one whatever the order, split, grouping and threads; bounded;
// exact.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/mini_host.hpp"

namespace detent::test {
namespace {

const detent_plugin& plugin() {
  static const Library library = Library::built_in("histogram");
  return library.plugin("histogram");
}

Observer make(const detent_qspec& spec = qspec(), const Params& params = {},
              Order order = Order::forward) {
  return Observer(plugin(), params, spec, order);
}

std::vector<float> normal_values(std::size_t n, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = scale * normal(random);
  return values;
}

Tensor vector_of(const std::vector<float>& values) {
  return Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<Tensor> growing_batches() {
  std::vector<Tensor> batches;
  float scale = 1;
  for (unsigned i = 0; i < 5; ++i, scale *= 10)
    batches.push_back(vector_of(normal_values(700, i, scale)));
  return batches;
}

Observer saw(const std::vector<Tensor>& batches, const detent_qspec& spec = qspec()) {
  Observer observer = make(spec);
  for (const Tensor& batch : batches) observer.observe(batch);
  return observer;
}

}  // namespace

TEST_CASE("Five batches growing by 10^4 give one state in all 120 orders and any grouping",
          "[plugins]") {
  const std::vector<Tensor> batches = growing_batches();
  std::vector<std::size_t> order = {0, 1, 2, 3, 4};
  std::set<std::string> states;
  do {
    std::vector<Tensor> permuted;
    for (const std::size_t i : order) permuted.push_back(batches[i]);
    states.insert(saw(permuted).save());
    const std::size_t cut = order[0];  // merged parts of every size, also none
    Observer left = saw({permuted.begin(), permuted.begin() + static_cast<std::ptrdiff_t>(cut)});
    const Observer right =
        saw({permuted.begin() + static_cast<std::ptrdiff_t>(cut), permuted.end()});
    left.merge(right);
    states.insert(left.save());
    Observer loaded = make();
    loaded.load(left.save());
    states.insert(loaded.save());
  } while (std::next_permutation(order.begin(), order.end()));
  std::vector<float> all;
  for (const Tensor& batch : batches)
    for (const float v : batch.values<float>()) all.push_back(v);
  states.insert(saw({vector_of(all)}).save());
  CHECK(states.size() == 1);
  CHECK(states.begin()->size() < 2048 * 8 + 200);
}

TEST_CASE("Threads and the order of their work do not show in state or parameters", "[plugins]") {
  const Tensor big = vector_of(normal_values(400001, 7));
  const Tensor matrix = Tensor::of<float>({64, 2100}, normal_values(64 * 2100, 8));
  const Tensor image = Tensor::of<float>({6, 16, 50, 40}, normal_values(6 * 16 * 2000, 9));
  const detent_qspec symmetric = qspec(-127, 127, true);
  const auto state_of = [](const Tensor& x, const detent_qspec& spec, Order order) {
    Observer observer = make(spec, {{"/method", "mse"}, {"/bins", 512}}, order);
    observer.observe(x);
    std::string bytes = observer.save();
    for (const float scale : observer.qparams().values<float>("scale"))
      bytes.append(reinterpret_cast<const char*>(&scale), sizeof scale);
    return bytes;
  };
  for (const auto& [x, spec] :
       std::vector<std::pair<Tensor, detent_qspec>>{{big, qspec()},
                                                    {matrix, per_channel(symmetric, 0)},
                                                    {matrix, per_channel(qspec(), 1)},
                                                    {matrix, per_group(symmetric, 1000)},
                                                    {image, per_channel(qspec(), 1)}}) {
    const std::string forward = state_of(x, spec, Order::forward);
    CHECK(state_of(x, spec, Order::reversed) == forward);
    CHECK(state_of(x, spec, Order::threads) == forward);
  }
}

TEST_CASE("Every channel and group is observed as if it were alone", "[plugins]") {
  const Tensor x = Tensor::of<float>({3, 4, 5}, normal_values(60, 10));
  const std::vector<float> values = x.values<float>();
  const auto parameters = [](const Observer& observer) {
    const Results results = observer.qparams();
    return std::make_pair(results.values<float>("scale"), results.values<double>("range_min"));
  };
  const auto alone = [&](auto belongs, std::size_t slots) {
    std::vector<float> scales;
    std::vector<double> ends;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      std::vector<float> own;
      for (std::size_t i = 0; i < values.size(); ++i)
        if (belongs(i) == slot) own.push_back(values[i]);
      const auto [scale, end] = parameters(saw({vector_of(own)}));
      scales.push_back(scale[0]);
      ends.push_back(end[0]);
    }
    return std::make_pair(scales, ends);
  };
  CHECK(parameters(saw({x}, per_channel(qspec(), 0))) ==
        alone([](std::size_t i) { return i / 20; }, 3));
  CHECK(parameters(saw({x}, per_channel(qspec(), 1))) ==
        alone([](std::size_t i) { return i / 5 % 4; }, 4));
  CHECK(parameters(saw({x}, per_channel(qspec(), 2))) ==
        alone([](std::size_t i) { return i % 5; }, 5));
  CHECK(parameters(saw({x}, per_group(qspec(), 8))) ==
        alone([](std::size_t i) { return i / 20 * 3 + i % 20 / 8; }, 9));
}

TEST_CASE("Strided tensors are observed as their compact copies", "[plugins]") {
  const Tensor x = Tensor::of<float>({30, 40}, normal_values(1200, 11));
  const Tensor transposed = x.strided({40, 30}, {1, 40});
  for (std::int32_t axis : {0, 1})
    CHECK(saw({transposed}, per_channel(qspec(), axis)).save() ==
          saw({x}, per_channel(qspec(), 1 - axis)).save());
  CHECK(saw({transposed}).save() == saw({x}).save());
  std::vector<float> every_second;
  for (std::size_t i = 0; i < 1200; i += 2) every_second.push_back(x.values<float>()[i]);
  CHECK(saw({x.strided({600}, {2})}).save() == saw({vector_of(every_second)}).save());
}

TEST_CASE("Other dtypes give the state of the same values in float32", "[plugins]") {
  std::vector<std::uint16_t> halves, bfloats;
  std::vector<double> doubles;
  std::vector<std::int8_t> bytes;
  std::vector<float> floats;
  for (int i = -100; i <= 100; i += 4) {  // exact in all of them
    std::uint32_t bits = 0;
    const auto f = static_cast<float>(i);
    std::memcpy(&bits, &f, 4);
    bfloats.push_back(static_cast<std::uint16_t>(bits >> 16));
    const std::uint32_t half =
        i == 0
            ? 0
            : (bits >> 16 & 0x8000U) | (((bits >> 23 & 255U) - 112U) << 10) | (bits >> 13 & 1023U);
    halves.push_back(static_cast<std::uint16_t>(half));
    doubles.push_back(i);
    bytes.push_back(static_cast<std::int8_t>(i));
    floats.push_back(f);
  }
  const Shape shape = {static_cast<std::int64_t>(floats.size())};
  const std::string expected = saw({vector_of(floats)}).save();
  CHECK(saw({Tensor::of_bits(DETENT_F16, shape, halves)}).save() == expected);
  CHECK(saw({Tensor::of_bits(DETENT_BF16, shape, bfloats)}).save() == expected);
  CHECK(saw({Tensor::of<double>(shape, doubles)}).save() == expected);
  CHECK(saw({Tensor::of<std::int8_t>(shape, bytes)}).save() == expected);
}

TEST_CASE("Values that are not finite are left out and counted, or refused", "[plugins]") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> clean = normal_values(300, 12);
  std::vector<float> dirty = clean;
  dirty.insert(dirty.begin() + 17, nan);
  dirty.push_back(inf);
  dirty.insert(dirty.begin(), -inf);
  Observer observer = saw({vector_of(dirty), vector_of({nan, nan})});
  CHECK(observer.qparams().values<float>("scale") ==
        saw({vector_of(clean)}).qparams().values<float>("scale"));
  const Results counts = observer.stat("stat:counts/1");
  CHECK(counts.values<std::int64_t>("observed")[0] == 300);
  CHECK(counts.values<std::int64_t>("non_finite")[0] == 5);
  CHECK(saw({vector_of({nan, nan}), vector_of(dirty)}).save() == observer.save());

  Observer strict = make(qspec(), {{"/non_finite", "error"}});
  strict.observe(vector_of(clean));
  const std::string before = strict.save();
  CHECK(strict.try_observe(vector_of(dirty).view()) == DETENT_E_NUMERIC);
  CHECK(strict.error().find("3 of 303") == 0);
  CHECK(strict.save() == before);
}

TEST_CASE("Empty batches change nothing, and without data there are no parameters", "[plugins]") {
  Observer observer = make();
  const std::string fresh = observer.save();
  observer.observe(vector_of({}));
  CHECK(observer.save() == fresh);
  Results results;
  CHECK(observer.try_qparams(qspec(), results) == DETENT_E_NOT_READY);
  CHECK(observer.try_stat("stat:histogram/1", results) == DETENT_E_NOT_READY);
  const Tensor x = vector_of(normal_values(10, 13));
  observer.observe(x);
  observer.observe(vector_of({}));
  CHECK(observer.save() == saw({x}).save());
  observer.reset();
  CHECK(observer.save() == fresh);
  observer.merge(saw({x}));
  CHECK(observer.save() == saw({x}).save());
}

TEST_CASE("A count passes 2^24, and every value more is counted", "[plugins]") {
  Observer observer = saw({vector_of({0.25F, 4.0F})});
  Observer power = saw({vector_of({0.25F})});
  for (int i = 0; i < 25; ++i) {  // doubles: 2^25 times 0.25
    Observer copy = make();
    copy.load(power.save());
    power.merge(copy);
  }
  observer.merge(power);
  observer.observe(vector_of({0.25F}));
  const Results histogram = observer.stat("stat:histogram/1");
  const auto counts = histogram.values<std::uint64_t>("counts");
  CHECK(counts.size() == 2048);
  CHECK(counts[0] == (std::uint64_t{1} << 25) + 2);
  CHECK(histogram.values<double>("origin")[0] <= 0.25);
  const double width = histogram.values<double>("width")[0];
  CHECK(counts[static_cast<std::size_t>((4.0 - histogram.values<double>("origin")[0]) / width)] ==
        1);
  CHECK(observer.stat("stat:counts/1").values<std::int64_t>("observed")[0] == (1 << 25) + 3);
}

TEST_CASE("The histogram's bins hold the values that lie in them", "[plugins]") {
  const std::vector<float> values = normal_values(5000, 14, 3);
  const Results histogram = saw({vector_of(values)}).stat("stat:histogram/1");
  const auto counts = histogram.values<std::uint64_t>("counts");
  const double origin = histogram.values<double>("origin")[0];
  const double width = histogram.values<double>("width")[0];
  std::vector<std::uint64_t> expected(counts.size());
  for (const float v : values)
    ++expected[static_cast<std::size_t>(std::floor((static_cast<double>(v) - origin) / width))];
  CHECK(counts == expected);
}

TEST_CASE("Batches and observers that do not fit are refused, and the state stays", "[plugins]") {
  const detent_qspec spec = per_channel(qspec(), 0);
  Observer observer = saw({Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6})}, spec);
  const std::string before = observer.save();
  CHECK(observer.try_observe(Tensor::of<float>({3, 1}, {1, 2, 3}).view()) == DETENT_E_INVALID_ARG);
  CHECK(observer.try_merge(saw({Tensor::of<float>({1, 3}, {1, 2, 3})}, spec)) ==
        DETENT_E_INVALID_ARG);
  CHECK(observer.try_merge(saw({vector_of({1})})) == DETENT_E_INVALID_ARG);
  Results results;
  CHECK(observer.try_qparams(qspec(), results) == DETENT_E_INVALID_ARG);
  CHECK(observer.save() == before);

  // 70000 groups of 2048 bins would be more than a gigabyte.
  Observer groups = make(per_group(qspec(), 1));
  CHECK(groups.try_observe(Tensor(DETENT_F32, {700, 100}).view()) == DETENT_E_UNSUPPORTED);
  Observer few_bins = make(per_group(qspec(), 1), {{"/bins", 16}});
  CHECK(few_bins.try_observe(Tensor(DETENT_F32, {700, 100}).view()) == DETENT_OK);
}

TEST_CASE("Parameters out of range make no observer", "[plugins]") {
  for (const int bins : {0, -5, 1, 15, 65537})
    CHECK_THROWS_AS(make(qspec(), {{"/bins", bins}}), std::runtime_error);
  for (const double percentile : {50.0, 0.0, -1.0, 100.5, std::nan("")})
    CHECK_THROWS_AS(make(qspec(), {{"/percentile", percentile}}), std::runtime_error);
  CHECK_THROWS_AS(make(qspec(), {{"/method", "entropy"}}), std::runtime_error);
  for (const int bins : {16, 65536}) make(qspec(), {{"/bins", bins}}).observe(vector_of({1, 2}));
}

TEST_CASE("A whole weight matrix per channel", "[!benchmark]") {
  const Tensor x = Tensor::of<float>({384, 1536}, normal_values(384 * 1536, 15));
  for (const char* const method : {"mse", "kl", "percentile"})
    for (const bool symmetric : {true, false})
      BENCHMARK(std::string(method) + (symmetric ? ", symmetric" : ", asymmetric")) {
        Observer observer = make(per_channel(qspec(symmetric ? -127 : -128, 127, symmetric), 0),
                                 {{"/method", method}}, Order::threads);
        observer.observe(x);
        return observer.qparams().values<float>("scale")[0];
      };
  const Tensor big = vector_of(normal_values(1 << 24, 16));
  BENCHMARK("observing 16 Mi values") {
    Observer observer = make(qspec(), {}, Order::threads);
    observer.observe(big);
    return observer.save().size();
  };
}

}  // namespace detent::test
