// SPDX-License-Identifier: Apache-2.0
// What mse and imatrix find, against brute force, their own other paths, and published formulas.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "support/mini_host.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

const detent_plugin& plugin(const std::string& id) { return Library::built_in(id).plugin(id); }

detent_qspec spec_of(const json::Value& c) {
  detent_qspec spec =
      qspec(int_at(c, "/qmin"), int_at(c, "/qmax"), *member(c, "/symmetric").if_bool());
  if (spec.qmin >= 0) spec.zero_dtype = DETENT_U8;
  const std::string granularity = text_at(c, "/granularity");
  if (granularity == "channel")
    return per_channel(spec, static_cast<std::int32_t>(int_at(c, "/axis")));
  return granularity == "group" ? per_group(spec, int_at(c, "/group_size")) : spec;
}

Tensor weight_of(const json::Value& c) {
  std::vector<float> values;
  for (const std::int64_t bits : ints_at(c, "/bits"))
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return Tensor::of(ints_at(c, "/shape"), values);
}

// One value for each column, for all rows.
Tensor importance_of(const std::vector<double>& columns, const Shape& shape) {
  return Tensor::of<double>({static_cast<std::int64_t>(columns.size())}, columns)
      .strided(shape, {0, 1});
}

Params params_of(const json::Value& c) {
  return {{"/norm", number_at(c, "/rule/norm")},
          {"/grid", static_cast<int>(int_at(c, "/rule/grid"))},
          {"/maxshrink", number_at(c, "/rule/maxshrink")},
          {"/patience", static_cast<int>(int_at(c, "/rule/patience"))},
          {"/separate_ends", *member(c, "/rule/separate_ends").if_bool()}};
}

void check_case(const std::string& id, const json::Value& c) {
  CAPTURE(id, text_at(c, "/name"));
  Observer observer(plugin(id), params_of(c), spec_of(c));
  const Tensor weight = weight_of(c);
  if (member(c, "/importance").if_array() == nullptr) {
    observer.observe(weight);
  } else {
    observer.observe_weighted(weight, importance_of(numbers_at(c, "/importance"), weight.shape()));
  }
  const Results chosen = observer.qparams();
  const auto lo = chosen.values<double>("range_min");
  const auto hi = chosen.values<double>("range_max");
  const json::Array& slots = *member(c, "/slots").if_array();
  REQUIRE(lo.size() == slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    CAPTURE(i);
    CHECK(lo[i] == numbers_at(slots[i], "/range")[0]);
    CHECK(hi[i] == numbers_at(slots[i], "/range")[1]);
    const double error = number_at(slots[i], "/error");
    CHECK(error <= number_at(slots[i], "/plain_error"));
    if (int_at(c, "/rule/patience") == 0)
      CHECK(error <= number_at(slots[i], "/peer_error") * 1.00001);
  }
}

std::vector<float> heavy_tailed(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float& v : values) {
    const double u = static_cast<double>(random()) / 4294967296.0 - 0.5;
    v = static_cast<float>(u / (0.52 - std::fabs(u)));
  }
  return values;
}

// Of float32 values through the codes of one scale and zero point; plain loops.
double error_of(const std::vector<float>& x, float scale, int zero, double norm,
                const std::vector<double>& counts) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double code = std::clamp(std::nearbyint(double{x[i] / scale}) + zero, -8.0, 7.0);
    const double back = static_cast<float>(code - zero) * scale;
    sum += counts[i] * std::pow(std::fabs(x[i] - back), norm);
  }
  return sum;
}

struct Mapped {
  float scale;
  int zero;
};

Mapped mapped(Observer& observer) {
  const Results chosen = observer.qparams();
  const bool has_zero = chosen.has("zero_point");
  return {chosen.values<float>("scale")[0],
          has_zero ? chosen.values<std::int8_t>("zero_point")[0] : 0};
}

std::string state_of(const std::string& id, const Tensor& weight, const Tensor* importance,
                     const detent_qspec& spec, Order order = Order::forward) {
  Observer observer(plugin(id), {}, spec, order);
  if (importance != nullptr) {
    observer.observe_weighted(weight, *importance);
  } else {
    observer.observe(weight);
  }
  return observer.save();
}

}  // namespace

TEST_CASE("clip searches find what plain loops in float64 find", "[plugins][observers][clip]") {
  for (const json::Value& c : vector_cases("../observers/clip_cases.json")) {
    if (member(c, "/importance").if_array() == nullptr) check_case("mse", c);
    check_case("imatrix", c);  // without importance it is the same search
  }
}

TEST_CASE("mse is never worse than plain rounding, and hardly worse than a search of every scale",
          "[plugins][observers][clip]") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const std::vector<float> x = heavy_tailed(64, seed);
    const std::vector<double> ones(x.size(), 1.0);
    Observer plain(plugin("minmax"), {}, qspec(-8, 7, true));
    plain.observe(Tensor::of({64}, x));
    Observer clip(plugin("mse"), {}, qspec(-8, 7, true));
    clip.observe(Tensor::of({64}, x));
    const double rounded = error_of(x, mapped(plain).scale, 0, 2.4, ones);
    const double found = error_of(x, mapped(clip).scale, 0, 2.4, ones);
    double best = rounded;
    for (int i = 1; i <= 20000; ++i)
      best = std::min(
          best, error_of(x, mapped(plain).scale * static_cast<float>(i) / 20000, 0, 2.4, ones));
    CAPTURE(seed);
    CHECK(found <= rounded);
    CHECK(found >= best * 0.9999999);
    CHECK(found <= best * 1.06);
  }
}

// max|x| / 7.5, as compressed-tensors has it: the search goes down from that scale.
TEST_CASE("clip searches follow the target's rule for scales", "[plugins][observers][clip]") {
  const std::vector<float> x = heavy_tailed(64, 9);
  const std::vector<double> ones(x.size(), 1.0);
  detent_qspec spec = qspec(-8, 7, true);
  spec.affine_rules = DETENT_AFFINE_HALF_RANGE;
  Observer observer(plugin("mse"), {}, spec);
  observer.observe(Tensor::of({64}, x));
  double most = 0;
  for (const float v : x) most = std::max(most, std::fabs(double{v}));
  float scale = 0;
  double least = HUGE_VAL;
  for (int i = 0; i < 80; ++i) {
    const auto candidate = static_cast<float>(most * (1 - i / 100.0) / 7.5);
    const double error = error_of(x, candidate, 0, 2.4, ones);
    if (error < least) scale = candidate, least = error;
  }
  CHECK(mapped(observer).scale == scale);

  spec.affine_rules = 0;
  spec.min_scale = 1e6;  // every candidate's scale: nothing to gain
  Observer floored(plugin("mse"), {}, spec);
  floored.observe(Tensor::of({64}, x));
  CHECK(mapped(floored).scale == 1e6F);
  CHECK(floored.qparams().values<double>("range_max")[0] == most);
  spec.affine_rules = DETENT_AFFINE_ALL + 1;
  CHECK_THROWS_WITH(Observer(plugin("mse"), {}, spec), Catch::Contains("does not know"));
}

TEST_CASE("imatrix moves both ends, and gains by it", "[plugins][observers][clip]") {
  int better = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const std::vector<float> x = heavy_tailed(64, seed);
    std::vector<double> counts(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      counts[i] = i % 8 == 0 ? 40 : 0.1 + static_cast<double>(i % 5);
    const Tensor importance = Tensor::of<double>({64}, counts);
    double errors[2];
    for (const bool separate : {false, true}) {
      Observer observer(plugin("imatrix"), {{"/separate_ends", separate}}, qspec(-8, 7));
      observer.observe_weighted(Tensor::of({64}, x), importance);
      const Mapped m = mapped(observer);
      errors[separate ? 1 : 0] = error_of(x, m.scale, m.zero, 2, counts);
    }
    CHECK(errors[1] <= errors[0] * (1 + 1e-9));
    better += errors[1] < errors[0] * 0.99 ? 1 : 0;
  }
  CHECK(better > 5);
}

namespace {

// 1000 values on the codes of [-0.5, 0.5], and one at 1: half the range is best, unless that one
// counts.
std::vector<float> half_and_one() {
  std::vector<float> x;
  for (int i = 0; i < 1000; ++i) x.push_back(0.5F / 7 * static_cast<float>(i % 15 - 7));
  x.push_back(1.0F);
  return x;
}

const Params kDownToHalf{{"/norm", 2.0}, {"/grid", 4}, {"/maxshrink", 0.75}};

}  // namespace

TEST_CASE("the smallest range of the grid is a candidate", "[plugins][observers][clip]") {
  Observer observer(plugin("mse"), kDownToHalf, qspec(-8, 7, true));
  observer.observe(Tensor::of({1001}, half_and_one()));
  CHECK(observer.qparams().values<double>("range_max")[0] == 0.5);
}

TEST_CASE("an element that is left out takes its importance with it",
          "[plugins][observers][clip]") {
  std::vector<float> x = half_and_one();
  std::reverse(x.begin(), x.end());  // the 1 comes first, and before it what is left out
  x.insert(x.begin(), std::numeric_limits<float>::quiet_NaN());
  std::vector<double> counts(x.size(), 1.0);
  counts[0] = 1e9;  // would keep the 1 behind it
  const auto n = static_cast<std::int64_t>(x.size());
  Observer observer(plugin("imatrix"), kDownToHalf, qspec(-8, 7, true));
  observer.observe_weighted(Tensor::of({n}, x), Tensor::of<double>({n}, counts));
  CHECK(observer.qparams().values<double>("range_max")[0] == 0.5);
}

TEST_CASE("imatrix without any importance above zero counts all elements alike",
          "[plugins][observers][clip]") {
  const Tensor weight = Tensor::of({4, 64}, heavy_tailed(256, 3));
  const Tensor none(DETENT_F64, {4, 64});
  for (const detent_qspec& spec :
       {qspec(-8, 7), per_channel(qspec(-8, 7, true), 0), per_group(qspec(-8, 7), 9)})
    CHECK(state_of("imatrix", weight, &none, spec) == state_of("imatrix", weight, nullptr, spec));
}

TEST_CASE("an importance that is the same everywhere changes nothing",
          "[plugins][observers][clip]") {
  const Tensor weight = Tensor::of({4, 64}, heavy_tailed(256, 4));
  const Tensor ones = Tensor::of<double>({1}, {0.25}).strided({4, 64}, {0, 0});
  CHECK(state_of("imatrix", weight, &ones, per_group(qspec(-8, 7), 32)) ==
        state_of("imatrix", weight, nullptr, per_group(qspec(-8, 7), 32)));
}

TEST_CASE("clip searches do not depend on the order or the number of the host's tasks",
          "[plugins][observers][clip]") {
  const std::int64_t rows = 300, columns = 700;  // per tensor: four blocks
  std::vector<float> values = heavy_tailed(static_cast<std::size_t>(rows * columns), 5);
  values[4321] = std::numeric_limits<float>::quiet_NaN();
  const Tensor weight = Tensor::of({rows, columns}, values);
  std::vector<double> counts(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = static_cast<double>(i % 13);
  const Tensor importance = importance_of(counts, {rows, columns});
  for (const detent_qspec& spec :
       {qspec(-8, 7, true), per_channel(qspec(-8, 7), 0), per_group(qspec(-8, 7, true), 128)}) {
    const std::string forward = state_of("mse", weight, nullptr, spec);
    const std::string weighted = state_of("imatrix", weight, &importance, spec);
    for (const Order order : {Order::reversed, Order::threads}) {
      CHECK(state_of("mse", weight, nullptr, spec, order) == forward);
      CHECK(state_of("imatrix", weight, &importance, spec, order) == weighted);
    }
  }
}

// 65536 elements are one block, searched by one task; 65537 are two, searched by several.
TEST_CASE("a long slot is searched as a short one is", "[plugins][observers][clip]") {
  std::vector<float> values = heavy_tailed(65536, 6);
  const std::string state =
      state_of("mse", Tensor::of({65536}, values), nullptr, qspec(-8, 7, true));
  values.push_back(0.0F);  // costs nothing, whatever the range
  const std::string longer =
      state_of("mse", Tensor::of({65537}, values), nullptr, qspec(-8, 7, true));
  CHECK(state.substr(state.size() - 16) == longer.substr(longer.size() - 16));
}

TEST_CASE("clip searches of a view are those of its compact copy, in every element type",
          "[plugins][observers][clip]") {
  const Tensor x = Tensor::of<float>({2, 3}, {1, 1.5F, -3, 4, 50, 6});
  const Tensor transposed = Tensor::of<float>({3, 2}, {1, 4, 1.5F, 50, -3, 6});
  const Tensor counts = Tensor::of<double>({2, 3}, {1, 2, 0, 4, 0.5, 6});
  const Tensor counts_transposed = Tensor::of<double>({3, 2}, {1, 4, 2, 0.5, 0, 6});
  for (const detent_qspec& spec : {qspec(-8, 7), per_channel(qspec(-8, 7), 0),
                                   per_channel(qspec(-8, 7), 1), per_group(qspec(-8, 7), 2)}) {
    const Tensor view = x.strided({3, 2}, {1, 3});
    CHECK(state_of("mse", view, nullptr, spec) == state_of("mse", transposed, nullptr, spec));
    const Tensor counts_view = counts.strided({3, 2}, {1, 3});
    CHECK(state_of("imatrix", view, &counts_view, spec) ==
          state_of("imatrix", transposed, &counts_transposed, spec));
    const std::string f32 = state_of("mse", x, nullptr, spec);
    CHECK(state_of("mse", Tensor::of<double>({2, 3}, {1, 1.5, -3, 4, 50, 6}), nullptr, spec) ==
          f32);
    CHECK(state_of("mse",
                   Tensor::of_bits<std::uint16_t>(DETENT_F16, {2, 3},
                                                  {0x3C00, 0x3E00, 0xC200, 0x4400, 0x5240, 0x4600}),
                   nullptr, spec) == f32);
    CHECK(state_of("mse",
                   Tensor::of_bits<std::uint16_t>(DETENT_BF16, {2, 3},
                                                  {0x3F80, 0x3FC0, 0xC040, 0x4080, 0x4248, 0x40C0}),
                   nullptr, spec) == f32);
  }
  CHECK(state_of("mse", Tensor::of<std::int16_t>({3}, {7, -300, 20}), nullptr, qspec(-8, 7)) ==
        state_of("mse", Tensor::of<float>({3}, {7, -300, 20}), nullptr, qspec(-8, 7)));
}

TEST_CASE("what a clip search costs", "[.][benchmark]") {
  const Tensor weight = Tensor::of({1536, 384}, heavy_tailed(1536 * 384, 7));
  for (const char* const id : {"mse", "imatrix"})
    for (const bool symmetric : {true, false})
      BENCHMARK(std::string(id) + (symmetric ? ", symmetric" : ", asymmetric")) {
        Observer observer(plugin(id), {}, per_group(qspec(-8, 7, symmetric), 128));
        observer.observe(weight);
        return observer.can_merge();
      };
}

}  // namespace detent::test
