// SPDX-License-Identifier: Apache-2.0
#include "calibrate/value_tally.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include "support/tensor.hpp"

namespace detent::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void add(const detent_tensor& x, ValueTally& tally) {
  ValueCounter counter;
  counter.count(x);
  tally.add(counter);
}

ValueTally tally_of(const std::vector<float>& values) {
  ValueTally tally;
  add(Tensor::of({static_cast<std::int64_t>(values.size())}, values).view(), tally);
  return tally;
}

std::string bytes_of(const ValueTally& tally) {
  std::string bytes;
  tally.save(bytes);
  return bytes;
}

std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0F, 3.0F);
  std::vector<float> values(n);
  for (float& v : values) v = distribution(generator);
  return values;
}

double outside(const std::vector<float>& values, double low, double high) {
  const auto n = std::count_if(values.begin(), values.end(),
                               [&](float v) { return double{v} < low || double{v} > high; });
  return static_cast<double>(n) / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("extremes and values that are not finite are counted exactly") {
  const ValueTally tally = tally_of({1.5F, -2.25F, kNaN, kInfinity, 0.0F, -kInfinity});
  CHECK(tally.finite() == 3);
  CHECK(tally.non_finite() == 3);
  CHECK(tally.min() == -2.25);
  CHECK(tally.max() == 1.5);
}

TEST_CASE("halves, bfloat16 and doubles count like floats") {
  ValueTally tally;
  add(Tensor::of_bits<std::uint16_t>(DETENT_F16, {2}, {0x3C00, 0x7C00}).view(), tally);   // 1, inf
  add(Tensor::of_bits<std::uint16_t>(DETENT_BF16, {2}, {0xC040, 0x7FC0}).view(), tally);  // -3, NaN
  add(Tensor::of<double>({2}, {1e300, -0.5}).view(), tally);  // finite, though no float
  CHECK(tally.finite() == 4);
  CHECK(tally.non_finite() == 2);
  CHECK(tally.min() == -3.0);
  CHECK(tally.max() == double{std::numeric_limits<float>::max()});
}

TEST_CASE("integers are not counted") {
  ValueTally tally;
  add(Tensor::of<std::int64_t>({2}, {1, 2}).view(), tally);
  CHECK(tally.finite() == 0);
}

TEST_CASE("a range that holds every value clips none, exactly") {
  const ValueTally tally = tally_of({-1.0F, 0.3F, 1.0F});
  CHECK(tally.fraction_outside(-1.0, 1.0) == 0.0);
  CHECK(tally.fraction_outside(-5.0, 1.0) == 0.0);
  CHECK(tally.fraction_outside(2.0, 3.0) == 1.0);
}

TEST_CASE("the fraction outside a range is within the mass of the bins at its ends") {
  const std::vector<float> values = normal(100'000, 3);
  const ValueTally tally = tally_of(values);
  for (const double limit : {0.1, 1.0, 3.0, 5.0, 8.0}) {
    CAPTURE(limit);
    // A bin is 1/128 of its value wide at most.
    const double margin = outside(values, -limit * 127 / 128, limit * 127 / 128) -
                          outside(values, -limit * 129 / 128, limit * 129 / 128);
    CHECK(std::abs(tally.fraction_outside(-limit, limit) - outside(values, -limit, limit)) <=
          margin);
  }
}

TEST_CASE("parts put together in any order give the tally of the whole") {
  const std::vector<float> values = normal(5000, 5);
  const std::vector<float> first(values.begin(), values.begin() + 1234);
  const std::vector<float> second(values.begin() + 1234, values.end());
  ValueTally a = tally_of(first);
  a.merge(tally_of(second));
  ValueTally b = tally_of(second);
  b.merge(tally_of(first));
  CHECK(bytes_of(a) == bytes_of(tally_of(values)));
  CHECK(bytes_of(b) == bytes_of(a));
}

TEST_CASE("a tally comes back from its bytes, and damaged bytes are refused") {
  const std::string bytes = bytes_of(tally_of(normal(300, 9)));
  ValueTally tally;
  REQUIRE(tally.load(bytes));
  CHECK(bytes_of(tally) == bytes);
  for (std::size_t n = 0; n < bytes.size(); n += 7) {
    CAPTURE(n);
    ValueTally cut;
    CHECK_FALSE(cut.load(std::string_view(bytes).substr(0, n)));
    CHECK(cut.finite() == 0);
  }
  std::string more = bytes;
  more[0] = static_cast<char>(more[0] + 1);  // one finite value more than the bins hold
  CHECK_FALSE(ValueTally().load(more));
  std::string page = bytes;
  page[33] = '\x7F';  // a page beyond the last
  CHECK_FALSE(ValueTally().load(page));
}

}  // namespace detent::test
