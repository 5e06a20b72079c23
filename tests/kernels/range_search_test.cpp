// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "support/catch.hpp"
#include <detent/kernels/range_search.hpp>

namespace detent::kernels {
namespace {

using Values = std::vector<double>;

constexpr SearchTarget kInt8{{-128, 127}, Mapping::asymmetric};
constexpr SearchTarget kInt8Symmetric{{-127, 127}, Mapping::symmetric};
constexpr SearchTarget kUint8Symmetric{{0, 255}, Mapping::symmetric};
constexpr SearchTarget kInt4{{-8, 7}, Mapping::asymmetric};
constexpr SearchTarget kInt4Symmetric{{-8, 7}, Mapping::symmetric};
constexpr SearchTarget kInt16{{-32768, 32767}, Mapping::asymmetric};

Histogram histogram_of(const Values& values, std::int64_t bins = 2048) {
  Range range;
  for (const double v : values) range.include(v);
  Histogram h = make_histogram(range, bins);
  for (const double v : values)
    ++h.counts[static_cast<std::size_t>(bin_of(v, h.grid.exponent) - h.grid.first)];
  return h;
}

Values normal_values(std::size_t n, unsigned seed, double scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, scale);
  Values values(n);
  for (double& v : values) v = normal(random);
  return values;
}

Values with(Values values, std::initializer_list<double> more) {
  values.insert(values.end(), more);
  return values;
}

Values map(Values values, const std::function<double(double)>& f) {
  for (double& v : values) v = f(v);
  return values;
}

// What the codes really do to the values; nothing of the search is used but the parameters'
// formula.
double squared_error(const Values& values, const Range& range, const SearchTarget& target) {
  const AffineParams p = choose_affine(range.lo, range.hi, target.codes, target.mapping);
  const double scale = p.scale;
  double sum = 0;
  for (const double v : values) {
    const double code =
        std::clamp<double>(std::rint(v / scale) + p.zero_point, target.codes.min, target.codes.max);
    const double error = v - (code - p.zero_point) * scale;
    sum += error * error;
  }
  return sum;
}

Range search(const Values& values, const SearchTarget& target,
             Range (*method)(const Histogram&, const SearchTarget&, SearchScratch&)) {
  SearchScratch scratch;
  return method(histogram_of(values), target, scratch);
}

// The least error over a grid of ends, fine near zero as well as near the data's ends.
double least_error(const Values& values, const SearchTarget& target, int points) {
  const Range whole = unclipped(histogram_of(values).range, target.mapping);
  Values kept;
  for (int i = 1; i <= points; ++i) kept.push_back(static_cast<double>(i) / points);
  for (double f = 1.0 / points; f > 0.003; f *= 0.9) kept.push_back(f);
  double least = INFINITY;
  for (const double lo : kept)
    for (const double hi : kept) {
      if (target.mapping == Mapping::symmetric && lo != hi) continue;
      least = std::min(least, squared_error(values, {whole.lo * lo, whole.hi * hi}, target));
    }
  return least;
}

}  // namespace

TEST_CASE("search_mse comes within 5 percent of brute force with few codes and an outlier") {
  // int4 codes in an int8 container: a search on 256 levels chooses [-4.4, 40], 24 times as bad.
  const Values values = with(normal_values(10000, 1), {40.0});
  const Range chosen = search(values, kInt4Symmetric, &search_mse);
  const double least = least_error(values, kInt4Symmetric, 1000);
  INFO("chosen " << chosen.lo << ".." << chosen.hi);
  REQUIRE(squared_error(values, chosen, kInt4Symmetric) <= 1.05 * least);
  const double unclipped_error = squared_error(values, {-40, 40}, kInt4Symmetric);
  REQUIRE(squared_error(values, chosen, kInt4Symmetric) < unclipped_error / 2);
}

TEST_CASE("search_mse comes within 5 percent of brute force on many shapes and targets") {
  const std::vector<Values> shapes = {
      normal_values(3000, 2),
      with(normal_values(3000, 3), {100, -60}),
      map(normal_values(3000, 4), [](double v) { return std::max(v, 0.0); }),
      map(normal_values(3000, 5), [](double v) { return v * v * v; }),
      map(normal_values(3000, 6), [](double v) { return std::exp(v); }),
      map(normal_values(3000, 7), [](double v) { return v + 3; }),
      map(normal_values(3000, 8), [](double v) { return -std::fabs(v) - 1; }),
      map(normal_values(3000, 9), [](double v) { return v < 0 ? v / 20 : v; }),
      with(normal_values(50, 10), {500}),
  };
  for (std::size_t shape = 0; shape < shapes.size(); ++shape)
    for (const SearchTarget& target :
         {kInt8, kInt8Symmetric, kUint8Symmetric, kInt4, kInt4Symmetric}) {
      const Values& values = shapes[shape];
      const Range chosen = search(values, target, &search_mse);
      INFO("shape " << shape << ", codes " << target.codes.min << ".." << target.codes.max
                    << (target.mapping == Mapping::symmetric ? " symmetric" : "") << ": "
                    << chosen.lo << ".." << chosen.hi);
      CHECK(squared_error(values, chosen, target) <= 1.05 * least_error(values, target, 40));
    }
}

TEST_CASE("search_mse expects what the codes really do to evenly spread values") {
  Values values;
  for (int i = 0; i < 200000; ++i) values.push_back(-1 + 3 * (i + 0.5) / 200000);
  const Histogram h = histogram_of(values);
  SearchScratch scratch;
  for (const SearchTarget& target : {kInt8, kInt4, kInt16})
    for (const Range& range : {Range{-1, 2}, Range{-0.7, 2}, Range{-1, 1.1}, Range{-0.5, 0.6}}) {
      const AffineParams p = choose_affine(range.lo, range.hi, target.codes, target.mapping);
      const double width = bin_width(h.grid);
      const double expected = expected_squared_error(h, p, target.codes, scratch) * width * width;
      INFO(target.codes.max << ": " << range.lo << ".." << range.hi);
      REQUIRE(expected == Approx(squared_error(values, range, target)).epsilon(0.01).margin(1e-9));
    }
}

TEST_CASE("The searches follow the rule of the target") {
  // Under this floor every candidate has the same scale, so clipping gains nothing.
  const Values values = with(normal_values(10000, 1), {40.0});
  for (const SearchTarget& target : {kInt4Symmetric, kInt4})
    for (const auto method : {&search_mse, &search_kl}) {
      // kl likes fewer bins with data, even of values that all have one code
      if (method == &search_kl && target.mapping == Mapping::asymmetric) continue;
      const SearchTarget floored{target.codes, target.mapping, {.min_scale = 100.0}};
      const Range whole = unclipped(histogram_of(values).range, target.mapping);
      CHECK(search(values, target, method).hi < 40);
      CHECK(search(values, floored, method).lo == whole.lo);
      CHECK(search(values, floored, method).hi == whole.hi);
    }
}

TEST_CASE("Scaling the data by a power of two scales the chosen range, bit for bit") {
  const Values values = with(normal_values(5000, 11), {30});
  for (const int power : {-60, -7, 1, 50})
    for (const SearchTarget& target : {kInt8, kInt8Symmetric, kInt4})
      for (const auto method : {&search_mse, &search_kl}) {
        const Range base = search(values, target, method);
        const Range scaled =
            search(map(values, [&](double v) { return std::ldexp(v, power); }), target, method);
        REQUIRE(scaled.lo == std::ldexp(base.lo, power));
        REQUIRE(scaled.hi == std::ldexp(base.hi, power));
      }
}

TEST_CASE("A range that has no alternative is returned as it is") {
  SearchScratch scratch;
  const std::vector<Values> degenerate = {{0.0},           {7.0},       {-3.0, -3.0},
                                          {1e-42, -1e-42}, {0, 5e-324}, {-1e300, 1e300}};
  for (const Values& values : degenerate)
    for (const SearchTarget& target : {kInt8, kInt8Symmetric}) {
      const Histogram h = histogram_of(values);
      const Range whole = unclipped(h.range, target.mapping);
      for (const Range& found : {search_mse(h, target, scratch), search_kl(h, target, scratch)}) {
        REQUIRE(found.lo == whole.lo);
        REQUIRE(found.hi == whole.hi);
      }
    }
}

TEST_CASE("Every search stays inside the data, for two values, few bins and many codes") {
  SearchScratch scratch;
  for (const Values& values :
       {Values{-1, 1}, Values{0, 1}, Values{5, 6}, Values{-6, -5}, Values{1e6, 1e6 + 1e-6},
        Values{-1e-30, 1}, normal_values(300, 12), Values{-3e38, 3e38, 1}})
    for (const std::int64_t bins : {16, 17, 300, 65536})
      for (const SearchTarget& target : {kInt8, kInt8Symmetric, kInt4, kInt16}) {
        const Histogram h = histogram_of(values, bins);
        const Range whole = unclipped(h.range, target.mapping);
        for (const Range& found :
             {search_mse(h, target, scratch), search_kl(h, target, scratch),
              search_percentile(h, target, 99), search_percentile(h, target, 100)}) {
          REQUIRE(found.lo <= found.hi);
          REQUIRE(std::min(found.lo, 0.0) >= std::min(whole.lo, 0.0));
          REQUIRE(std::max(found.hi, 0.0) <= std::max(whole.hi, 0.0));
        }
      }
}

TEST_CASE("search_percentile leaves out less than the share asked for, and not a bin more") {
  for (const double percentile : {99.0, 99.9, 99.99, 60.0, 100.0})
    for (const std::size_t n : {100U, 2000U, 20000U}) {
      Values values = normal_values(n, static_cast<unsigned>(n), 3);
      const Histogram h = histogram_of(values);
      const Range found = search_percentile(h, kInt8, percentile);
      std::sort(values.begin(), values.end());
      // Less than (100 - p) / 2 percent of n; no n here makes that a whole number by chance of
      // rounding.
      const double share = (100 - percentile) / 200 * static_cast<double>(n);
      const auto cut =
          share < 1.0000001 ? 0 : static_cast<std::size_t>(std::ceil(share - 1e-6)) - 1;
      const double width = bin_width(h.grid);
      INFO(percentile << " of " << n << ": " << found.lo << ".." << found.hi);
      REQUIRE(found.lo <= values[cut]);
      REQUIRE(found.lo > values[cut] - width);
      REQUIRE(found.hi >= values[n - 1 - cut]);
      REQUIRE(found.hi <= values[n - 1 - cut] + width);
    }
}

TEST_CASE("search_percentile of a symmetric target counts magnitudes") {
  Values values = with(normal_values(9990, 13), {-50, -40, -30, 20, 30, -20, 25, 35, 45, 15});
  const Range found = search_percentile(histogram_of(values), kInt8Symmetric, 99.95);
  // 5 of 10000 may be left out, less than that: 4. The fifth largest magnitude is 30.
  REQUIRE(found.hi >= 30);
  REQUIRE(found.hi < 30.2);
  REQUIRE(found.lo == -found.hi);
  const Range offset = search_percentile(
      histogram_of(map(values, [](double v) { return v + 1000; })), kInt8Symmetric, 100);
  REQUIRE(offset.hi == 1050 - 5);
}

TEST_CASE("Searching 2048 bins", "[!benchmark]") {
  const Histogram h = histogram_of(with(normal_values(200000, 14), {9, -11}));
  SearchScratch scratch;
  scratch.reserve(h.counts.size());
  BENCHMARK("mse, asymmetric") { return search_mse(h, kInt8, scratch).hi; };
  BENCHMARK("mse, symmetric") { return search_mse(h, kInt8Symmetric, scratch).hi; };
  BENCHMARK("kl, asymmetric") { return search_kl(h, kInt8, scratch).hi; };
  BENCHMARK("kl, symmetric") { return search_kl(h, kInt8Symmetric, scratch).hi; };
  BENCHMARK("percentile") { return search_percentile(h, kInt8, 99.99).hi; };
}

}  // namespace detent::kernels
