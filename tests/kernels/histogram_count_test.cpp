// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <random>
#include <vector>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/histogram_count.hpp>

namespace detent::kernels {
namespace {

template <class T>
Range range_of(const std::vector<T>& values) {
  Range range;
  for (const T v : values)
    if (std::isfinite(to_double(v))) range.include(to_double(v) + 0.0);
  return range;
}

// The counts of the elements behind the first, on every target; the table ends in a guard.
template <class T>
void compare(const std::vector<T>& x, const BinGrid& grid) {
  const auto bins = static_cast<std::size_t>(grid.count);
  std::vector<std::uint64_t> expected(bins + 1);
  count_bins_ref(x.data() + 1, x.size() - 1, grid, expected.data());
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target) << ", " << x.size() - 1 << " elements, exponent "
                                   << grid.exponent << ", first " << grid.first);
    std::vector<std::uint64_t> even(bins + 1), odd(bins + 1);
    count_bins(x.data() + 1, x.size() - 1, grid, even.data(), odd.data());
    std::vector<std::uint64_t> sum(bins + 1);
    for (std::size_t i = 0; i <= bins; ++i) sum[i] = even[i] + odd[i];
    REQUIRE(sum == expected);
    std::vector<std::uint64_t> single(bins + 1);
    count_bins(x.data() + 1, x.size() - 1, grid, single.data(), single.data());
    REQUIRE(single == expected);
  }
}

constexpr std::size_t kLengths[] = {0, 1, 2, 3, 7, 8, 9, 16, 33, 100, 1023, 1024, 1025, 3000};

}  // namespace

TEMPLATE_TEST_CASE("count_bins counts as the reference does on every SIMD target", "", float,
                   double, Half, BFloat16, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                   std::int32_t, std::uint32_t) {
  for (const std::size_t length : kLengths) {
    const auto x = test::awkward_values<TestType>(length + 1, static_cast<unsigned>(length));
    const Range range = range_of(x);
    if (range.empty()) continue;
    for (const std::int64_t bins : {2, 37, 2048, 65536}) compare(x, choose_grid(range, bins));
  }
}

TEST_CASE("count_bins takes ordinary values, each in the bin that holds it") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> x(5000);
  for (float& v : x) v = normal(random);
  for (const float shift : {0.0F, 10.0F, -1e6F}) {
    std::vector<float> shifted = x;
    for (float& v : shifted) v += shift;
    const BinGrid grid = choose_grid(range_of(shifted), 2048);
    compare(shifted, grid);
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(grid.count));
    count_bins(shifted.data(), shifted.size(), grid, counts.data(), counts.data());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      std::uint64_t inside = 0;
      for (const float v : shifted)
        inside += v >= bin_edge(grid, at) && v < bin_edge(grid, at + 1) ? 1U : 0U;
      if (inside != counts[i]) FAIL("bin " << i << ": " << counts[i] << " for " << inside);
    }
  }
}

TEMPLATE_TEST_CASE("many elements are counted, most of them in one bin", "", float, double, Half,
                   BFloat16) {
  std::vector<TestType> x(70001, TestType{});
  const auto awkward = test::awkward_values<TestType>(x.size(), 3);
  for (std::size_t i = 0; i < x.size(); i += 7) x[i] = awkward[i];
  for (const std::int64_t bins : {2048, 2049}) compare(x, choose_grid(range_of(x), bins));
}

TEST_CASE("one bin holds more than 16 bits count, with and without NaN beside them") {
  for (const bool with_nan : {false, true}) {
    std::vector<float> x(300001, 0.5F);
    if (with_nan)
      for (std::size_t i = 1; i < x.size(); i += 1000) x[i] = NAN;
    compare(x, {-3, 0, 2048});
  }
}

TEST_CASE("count_bins handles grids that float32 cannot express") {
  const std::vector<float> tiny = {0,      0.0F,    -0.0F,  1e-45F, -1e-45F,
                                   3e-42F, -2e-44F, 1e-40F, 5e-41F};
  compare(tiny, choose_grid(range_of(tiny), 2048));
  compare(tiny, choose_grid(range_of(tiny), 16));
  const std::vector<float> zeros(70, 0.0F);
  compare(zeros, choose_grid({0, 0}, 16));
  const std::vector<float> huge = {0, 3e38F, -3e38F, 1e38F, -1e-45F, 1e-45F, 0.0F};
  compare(huge, choose_grid(range_of(huge), 2048));
  const std::vector<float> x = {0, 1, 2, 3, -1};
  compare(x, choose_grid({-1e300, 1e300}, 2048));
  compare(x, choose_grid({1.0 + 1e-12, 3.0}, 65536));  // a first bin that is no float32
}

TEST_CASE("count_bins leaves out what the grid does not hold") {
  const std::vector<float> x = {0, -5, 0.5F, 1, 1.5F, 2, INFINITY, -INFINITY, NAN, 1e30F, -1e30F};
  const BinGrid grid{0, 0, 2};  // [0, 1) and [1, 2)
  std::vector<std::uint64_t> counts(2);
  count_bins(x.data(), x.size(), grid, counts.data(), counts.data());
  REQUIRE(counts == std::vector<std::uint64_t>{2, 2});
  compare(x, grid);
}

}  // namespace detent::kernels
