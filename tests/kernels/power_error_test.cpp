// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>

#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/power_error.hpp>
#include <detent/kernels/quantize_affine.hpp>

using namespace detent::kernels;
using namespace detent::test;

namespace {

constexpr Codes kInt4{-8, 7};
constexpr AffineParams kMapped{0.37F, -3};

std::vector<double> counts_of(std::size_t n) {
  std::mt19937 random(5);
  std::vector<double> counts(n);
  for (double& v : counts) v = random() % 5 == 0 ? 0.0 : uniform(random) * 1e3;
  return counts;
}

// Of the arguments as they are: long double has 11 more bits, so its own error does not show.
double relative_error(double base, double power) {
  const long double exact =
      std::pow(static_cast<long double>(base), static_cast<long double>(power));
  return static_cast<double>(std::fabs(power_ref(base, power) / exact - 1.0L));
}

}  // namespace

TEST_CASE("powers are within 1e-12 of the exact ones, over the whole range of errors",
          "[kernels][power]") {
  static_assert(std::numeric_limits<long double>::digits >= 64);
  std::mt19937 random(1);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double base = std::ldexp(1.0 + uniform(random), static_cast<int>(random() % 400) - 280);
    const double power = i % 2 == 0 ? 2.4 : 1e-3 + 8 * uniform(random);
    if (std::fabs(std::log2(base) * power) > 1020) continue;
    worst = std::max(worst, relative_error(base, power));
  }
  CHECK(worst < 1e-12);
  CHECK(worst > 0);
  double ordinary = 0;  // errors are measured in units near the largest value
  for (int i = 0; i < 100000; ++i)
    ordinary =
        std::max(ordinary, relative_error(std::ldexp(1.0 + uniform(random), -(i % 30)), 2.4));
  CHECK(ordinary < 3e-14);
}

TEST_CASE("powers of one and of powers of two are exact, and zero stays zero", "[kernels][power]") {
  CHECK(power_ref(0.0, 2.4) == 0.0);
  CHECK(power_ref(0.0, 0.5) == 0.0);
  CHECK(power_ref(1.0, 2.4) == 1.0);
  CHECK(power_ref(4.0, 2.5) == 32.0);
  CHECK(power_ref(0.25, 0.5) == 0.5);
  CHECK(power_ref(0x1p-200, 8.0) == 0x1p-1022);  // as small as it gets
  CHECK(power_ref(0x1p200, 8.0) == 0x1p1022);
}

TEST_CASE("powers grow with their base", "[kernels][power]") {
  double last = 0;
  double base = 0.70710678118;  // across the seam of the logarithm's range
  for (int i = 0; i < 20000; ++i, base *= 1.0 + 0x1p-40) {
    REQUIRE(power_ref(base, 2.4) >= last * (1 - 1e-15));
    last = power_ref(base, 2.4);
  }
}

TEST_CASE("power_error gives the reference's bits on every SIMD target", "[per-target]") {
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    for (const double power : {0.5, 1.0, 2.0, 2.4, 3.0, 7.9})
      for (const std::size_t n : awkward_lengths()) {
        std::vector<float> x = awkward_floats(n, static_cast<unsigned>(n), true);
        for (float& v : x) v = std::clamp(v, -1e20F, 1e20F);
        const std::vector<double> counts = counts_of(n);
        for (const double* const importance :
             {static_cast<const double*>(nullptr), counts.data()}) {
          CAPTURE(power, n, importance != nullptr);
          const ErrorNorm norm{power, 0x1p10};
          const double got = power_error(x, importance, kMapped, kInt4, norm);
          const double expected = power_error_ref(x, importance, kMapped, kInt4, norm);
          REQUIRE(std::bit_cast<std::uint64_t>(got) == std::bit_cast<std::uint64_t>(expected));
          REQUIRE(std::isfinite(got));
        }
      }
  }
}

// Eight equal elements fill every vector, and their pairwise sum is exact: so each power shows.
TEST_CASE("each power has the reference's bits on every SIMD target", "[per-target]") {
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    std::mt19937 random(6);
    for (int i = 0; i < 20000; ++i) {
      const float value = static_cast<float>(std::ldexp(0.5 + uniform(random) / 2, -(i % 20)));
      const std::vector<float> x(8, value);
      const double error =
          std::fabs(double{value} -
                    dequantize_affine_ref(quantize_affine_ref(value, kMapped, kInt4), kMapped));
      CAPTURE(value);
      REQUIRE(power_error(x, nullptr, kMapped, kInt4, {2.4, 1.0}) == 8 * power_ref(error, 2.4));
    }
  }
}

TEST_CASE("values that come back exactly cost nothing, in every power", "[per-target]") {
  for (const auto target : all_targets()) {
    const Target only(target);
    std::vector<float> x;
    for (int q = -5; q <= 10; ++q) x.push_back(static_cast<float>(q) * kMapped.scale);
    for (const double power : {0.5, 1.0, 2.0, 2.4, 3.0, 8.0})
      CHECK(power_error(x, nullptr, kMapped, kInt4, {power, 1.0}) == 0.0);
  }
}

TEST_CASE("power_error with power 2 and no importance is the squared error", "[kernels][power]") {
  const std::vector<float> x = awkward_floats(1000, 3, true);
  CHECK(power_error(x, nullptr, kMapped, kInt4, {2.0, 1.0}) == squared_error(x, kMapped, kInt4));
}

TEST_CASE("power_error adds up what pow gives", "[kernels][power]") {
  std::mt19937 random(2);
  std::vector<float> x(777);
  for (float& v : x) v = static_cast<float>(8 * uniform(random) - 4);
  const std::vector<double> counts = counts_of(x.size());
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double steps = std::clamp(std::nearbyint(x[i] / 0.37F), -5.0F, 10.0F);
    const double back = static_cast<float>(steps) * 0.37F;
    sum += counts[i] * std::pow(std::fabs(x[i] - back) / 4, 2.4);
  }
  CHECK(power_error(x, counts.data(), kMapped, kInt4, {2.4, 4.0}) == Approx(sum).epsilon(1e-12));
  CHECK(power_error({}, nullptr, kMapped, kInt4, {2.4, 4.0}) == 0.0);
}

TEST_CASE("what a power costs", "[.][benchmark]") {
  const std::vector<float> x = awkward_floats(65536, 3, true);
  BENCHMARK("norm 2.4, 65536 values") {
    return power_error(x, nullptr, kMapped, kInt4, {2.4, 1.0});
  };
  BENCHMARK("norm 2, 65536 values") { return power_error(x, nullptr, kMapped, kInt4, {2.0, 1.0}); };
}
