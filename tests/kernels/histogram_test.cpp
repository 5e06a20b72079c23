// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include <detent/kernels/histogram.hpp>

namespace detent::kernels {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

// floor(x / 2^k) in integers: x is an integer m times 2^e.
std::int64_t index_in_integers(double x, int k) {
  if (x == 0) return 0;
  int e = 0;
  const auto m = static_cast<std::int64_t>(std::ldexp(std::frexp(x, &e), 53));
  const int shift = k - (e - 53);
  if (shift <= 0) return m << -shift;
  return shift > 62 ? (m < 0 ? -1 : 0) : m >> shift;  // >> rounds down
}

// What the header promises, from all values at once: the first k, upwards from the last bit of the
// largest magnitude, at which the range takes at most `bins` bins.
Histogram histogram_of(const std::vector<double>& values, std::int64_t bins) {
  Histogram h;
  double most = 0;
  for (const double v : values) {
    h.range.include(v);
    most = std::max(most, std::fabs(v));
  }
  int e = -1074 + 53;
  if (most > 0) std::frexp(most, &e);
  int k = std::max(e - 53, -1074);
  const auto needed = [&] {
    return index_in_integers(h.range.hi, k) - index_in_integers(h.range.lo, k) + 1;
  };
  while (needed() > bins) ++k;
  h.grid = {k, index_in_integers(h.range.lo, k), needed()};
  h.counts.resize(static_cast<std::size_t>(h.grid.count));
  for (const double v : values)
    ++h.counts[static_cast<std::size_t>(index_in_integers(v, k) - h.grid.first)];
  return h;
}

// The kernel's way: value by value.
Histogram observed(const std::vector<double>& values, std::int64_t bins) {
  Histogram h;
  for (const double v : values) {
    Histogram one = make_histogram({v, v}, bins);
    one.counts[0] = 1;
    merge(h, one, bins);
  }
  return h;
}

// Every part has a scale of its own, over 12 decades, and some are far from zero.
std::vector<double> values_of_many_scales(std::mt19937& random, std::size_t n) {
  std::normal_distribution<double> normal;
  std::vector<double> values;
  while (values.size() < n) {
    const double scale = std::pow(10.0, static_cast<double>(random() % 13) - 6);
    const double shift = random() % 3 == 0 ? 3 * scale : 0;
    for (std::size_t i = random() % 20 + 1; i > 0; --i)
      values.push_back(random() % 7 == 0 ? 0.0 : shift + scale * normal(random));
  }
  return values;
}

}  // namespace

TEST_CASE("A histogram grown value by value equals one made of all values in integers") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const std::int64_t bins = std::int64_t{2} << random() % 12;
    const auto values = values_of_many_scales(random, 50);
    REQUIRE(observed(values, bins) == histogram_of(values, bins));
  }
}

TEST_CASE("Merging is commutative, associative and has the empty histogram as its zero") {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    const std::int64_t bins = 16 + static_cast<std::int64_t>(random() % 2033);
    const auto part = [&] { return observed(values_of_many_scales(random, random() % 40), bins); };
    const Histogram a = part(), b = part(), c = part();
    const auto sum = [&](Histogram x, const Histogram& y) {
      merge(x, y, bins);
      return x;
    };
    REQUIRE(sum(a, b) == sum(b, a));
    REQUIRE(sum(sum(a, b), c) == sum(a, sum(b, c)));
    REQUIRE(sum(a, Histogram{}) == a);
    REQUIRE(sum(Histogram{}, a) == a);
    REQUIRE(sum(a, b).total() == a.total() + b.total());
  }
}

TEST_CASE("Values at the ends of float64 stay in bounds and exact") {
  const std::vector<std::vector<double>> cases = {
      {0.0},
      {kTiny},
      {-kTiny},
      {0.0, kTiny},
      {-kTiny, kTiny},
      {-kTiny, 0.0, 1.0},
      {-kTiny, 0.0, kMax},
      {-kMax, -kTiny, kTiny, kMax},
      {kMax},
      {-kMax},
      {-kMax, kMax},
      {1e300, -1e300, 3.0},
      {1.0, std::nextafter(1.0, 2.0)},
      {1e15, 1e15 + 0.125, 1e-300},
      {-3e38, -1e38, 0.0, 1e38, 3e38},
      {1e-310, 5e-311, -1e-310},
      {-1.0, -1.0 - 1e-12},
  };
  for (const auto& values : cases)
    for (const std::int64_t bins : {2, 16, 2048, 65536}) {
      INFO("first value " << values[0] << ", bins " << bins);
      const Histogram h = observed(values, bins);
      REQUIRE(h == histogram_of(values, bins));
      REQUIRE(h.grid.count <= bins);
      REQUIRE(std::llabs(h.grid.first) <= (std::int64_t{1} << 53));
      REQUIRE(is_canonical(h, bins));
      REQUIRE(bin_edge(h.grid, 0) <= h.range.lo);
      REQUIRE(bin_edge(h.grid, h.grid.count) >= h.range.hi);
    }
}

TEST_CASE("A bin counts far beyond 2^24 without losing one") {
  constexpr std::uint64_t kMany = (std::uint64_t{1} << 40) + 1;
  Histogram h = make_histogram({-1, 1}, 16);
  h.counts.front() = kMany;
  h.counts.back() = kMany;
  Histogram one = make_histogram({-1, -1}, 16);
  one.counts[0] = 1;
  for (int i = 0; i < 3; ++i) merge(h, one, 16);
  REQUIRE(h.counts.front() == kMany + 3);
  Histogram wide = make_histogram({-1000, 1000}, 16);
  wide.counts.front() = wide.counts.back() = 1;
  merge(h, wide, 16);
  REQUIRE(h.total() == 2 * kMany + 5);
}

TEST_CASE("Growing keeps the number of bins bounded whatever the scale of the data") {
  Histogram h;
  for (int decade = -300; decade <= 300; ++decade) {
    Histogram batch = make_histogram({-std::pow(10.0, decade), std::pow(10.0, decade)}, 2048);
    batch.counts.front() = batch.counts.back() = 1;
    merge(h, batch, 2048);
    REQUIRE(h.counts.size() <= 2048);
    REQUIRE(h.counts.capacity() <= 2048);
  }
  REQUIRE(h.total() == 2 * 601);
}

TEST_CASE("A state that no values could have made is not canonical") {
  const std::vector<double> values = {-1.5, -0.25, 0.0, 0.5, 3.0, 7.75};
  const Histogram good = observed(values, 64);
  REQUIRE(is_canonical(good, 64));
  REQUIRE(is_canonical(Histogram{}, 64));
  const auto broken = [&](auto change) {
    Histogram h = good;
    change(h);
    return !is_canonical(h, 64);
  };
  REQUIRE(broken([](Histogram& h) { ++h.grid.exponent; }));
  REQUIRE(broken([](Histogram& h) { --h.grid.exponent; }));
  REQUIRE(broken([](Histogram& h) { ++h.grid.first; }));
  REQUIRE(broken([](Histogram& h) { --h.grid.count; }));
  REQUIRE(broken([](Histogram& h) { h.counts.pop_back(); }));
  REQUIRE(broken([](Histogram& h) { h.counts.push_back(1); }));
  REQUIRE(broken([](Histogram& h) { h.counts.front() = 0; }));
  REQUIRE(broken([](Histogram& h) { h.counts.back() = 0; }));
  REQUIRE(broken([](Histogram& h) { h.counts.front() = UINT64_MAX; }));
  REQUIRE(broken([](Histogram& h) { h.range.hi = 1e6; }));
  REQUIRE(broken([](Histogram& h) { h.range.hi = std::nan(""); }));
  REQUIRE(broken([](Histogram& h) { h.range.lo = -INFINITY; }));
  REQUIRE(broken([](Histogram& h) { std::swap(h.range.lo, h.range.hi); }));
  REQUIRE(broken([](Histogram& h) { h.range = {}; }));
  Histogram zero = observed({0.0}, 64);
  REQUIRE(is_canonical(zero, 64));
  zero.range.lo = -0.0;
  REQUIRE_FALSE(is_canonical(zero, 64));
  Histogram one_value_twice = observed({1.0, 1.0078125}, 16);
  one_value_twice.counts.assign(one_value_twice.counts.size(), 0);
  one_value_twice.counts.front() = 1;
  REQUIRE_FALSE(is_canonical(one_value_twice, 16));
}

}  // namespace detent::kernels
