// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/quantize_affine.hpp>
#include <detent/kernels/search_affine.hpp>

using namespace detent::kernels;
using namespace detent::test;

namespace {

constexpr Codes kInt4{-8, 7};

// Added up in another way than the search does.
double error_of(const std::vector<float>& x, AffineParams params) {
  long double sum = 0;
  for (const float value : x) {
    const long double back =
        dequantize_affine_ref(quantize_affine_ref(value, params, kInt4), params);
    sum += (value - back) * (value - back);
  }
  return static_cast<double>(sum);
}

AffineParams plain(const std::vector<float>& x, Mapping mapping) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  return choose_affine(*low, *high, kInt4, mapping);
}

std::vector<float> heavy_tailed(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& value : x) {
    const double u = 2.0 * uniform(random) - 1.0;
    value = static_cast<float>(u * u * u);
  }
  return x;
}

}  // namespace

TEST_CASE("search_affine is never worse than where it started and better on average", "[search]") {
  for (const Mapping mapping : {Mapping::symmetric, Mapping::asymmetric}) {
    double before = 0, after = 0;
    for (unsigned seed = 1; seed <= 60; ++seed) {
      const auto x = heavy_tailed(1 + seed * 3 % 130, seed);
      const AffineParams start = plain(x, mapping);
      const AffineParams found = search_affine(x, start, kInt4, mapping);
      CAPTURE(seed, x.size(), start.scale, found.scale);
      REQUIRE(error_of(x, found) <= error_of(x, start));
      before += error_of(x, start);
      after += error_of(x, found);
    }
    CAPTURE(before, after);
    CHECK(after < 0.95 * before);
  }
}

TEST_CASE("search_affine finds the grid that the values lie on", "[search]") {
  // All multiples of 0.25 in -8..7 steps but for one value that is far too large.
  std::vector<float> x;
  for (int i = 0; i < 400; ++i) x.push_back(0.25F * static_cast<float>(i % 16 - 8));
  x.push_back(2.4F);
  const AffineParams found =
      search_affine(x, plain(x, Mapping::symmetric), kInt4, Mapping::symmetric);
  CHECK(std::abs(found.scale - 0.25F) < 0.002F);
}

TEST_CASE("search_affine moves each end of an asymmetric range by itself", "[search]") {
  // A grid of 16 codes from -1 to 2.75, and a value far above: only the upper end is to be clipped.
  std::vector<float> x;
  for (int i = 0; i < 1600; ++i) x.push_back(0.25F * static_cast<float>(i % 16 - 4));
  x.push_back(4.5F);
  const AffineParams found =
      search_affine(x, plain(x, Mapping::asymmetric), kInt4, Mapping::asymmetric);
  CAPTURE(found.scale, found.zero_point);
  CHECK(std::abs(found.scale - 0.25F) < 0.004F);
  CHECK(found.zero_point == -4);
}

TEST_CASE("search_affine leaves an exact start alone", "[search]") {
  const AffineParams start{0.5F, -3};
  CHECK(search_affine({}, start, kInt4, Mapping::asymmetric).scale == 0.5F);
  const std::vector<float> zeros(9, 0.0F);
  const AffineParams found = search_affine(zeros, start, kInt4, Mapping::asymmetric);
  CHECK((found.scale == 0.5F && found.zero_point == -3));
}

TEST_CASE("search_affine's candidates divide by what the rule says") {
  const AffineRule half{.half_range = true, .float32 = true};
  int moved = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto x = heavy_tailed(64, seed);
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const AffineParams start = choose_affine(*low, *high, kInt4, Mapping::symmetric, half);
    const AffineParams found = search_affine(x, start, kInt4, Mapping::symmetric, half);
    // Whole 256ths of the start's scale, which spans 7.5 steps on both sides.
    const double part = 256.0 * double{found.scale} / double{start.scale};
    CHECK(std::abs(part - std::nearbyint(part)) < 1e-3);
    CHECK(error_of(x, found) <= error_of(x, start));
    moved += found.scale != start.scale ? 1 : 0;
  }
  CHECK(moved > 10);
}

TEST_CASE("search_affine keeps to the least scale of the rule") {
  const auto x = heavy_tailed(64, 1);
  const AffineRule floor{.min_scale = 0.5};
  for (const Mapping mapping : {Mapping::symmetric, Mapping::asymmetric}) {
    const AffineParams start = choose_affine(-1, 1, kInt4, mapping, floor);
    CHECK(search_affine(x, start, kInt4, mapping, floor).scale >= 0.5F);
    CHECK(search_affine(x, start, kInt4, mapping).scale < 0.5F);
  }
}

TEST_CASE("search_affine gives the same bits on every SIMD target", "[per-target]") {
  const auto x = heavy_tailed(113, 5);
  for (const Mapping mapping : {Mapping::symmetric, Mapping::asymmetric}) {
    const AffineParams start = plain(x, mapping);
    const AffineParams expected = search_affine(x, start, kInt4, mapping);
    for (const auto target : all_targets()) {
      CAPTURE(target_name(target));
      const Target chosen(target);
      const AffineParams found = search_affine(x, start, kInt4, mapping);
      CHECK(found.scale == expected.scale);
      CHECK(found.zero_point == expected.zero_point);
    }
  }
}
