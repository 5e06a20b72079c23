// SPDX-License-Identifier: Apache-2.0
#include <cfloat>
#include <cmath>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include <detent/kernels/affine.hpp>

namespace detent::kernels {
namespace {

constexpr Codes kInt8{-128, 127};
constexpr Codes kNarrow{-127, 127};
constexpr Codes kUint8{0, 255};
constexpr Codes kInt4{-8, 7};

void check_params(AffineParams got, float scale, std::int32_t zero_point) {
  CHECK(got.scale == scale);
  CHECK(got.zero_point == zero_point);
}

}  // namespace

TEST_CASE("choose_affine spreads an asymmetric range over all codes", "[kernels]") {
  check_params(choose_affine(0.0, 255.0, kInt8, Mapping::asymmetric), 1.0F, -128);
  check_params(choose_affine(0.0, 255.0, kUint8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(-128.0, 127.0, kInt8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(-1.0, 14.0, kInt4, Mapping::asymmetric), 1.0F, -7);
}

TEST_CASE("choose_affine widens a range that does not hold zero", "[kernels]") {
  check_params(choose_affine(10.0, 255.0, kUint8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(-255.0, -10.0, kUint8, Mapping::asymmetric), 1.0F, 255);
}

TEST_CASE("choose_affine rounds the zero point's ties to even", "[kernels]") {
  check_params(choose_affine(-0.5, 254.5, kUint8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(-1.5, 253.5, kUint8, Mapping::asymmetric), 1.0F, 2);
  check_params(choose_affine(-2.5, 252.5, kUint8, Mapping::asymmetric), 1.0F, 2);
}

TEST_CASE("choose_affine divides a symmetric range by the largest code", "[kernels]") {
  check_params(choose_affine(-127.0, 3.0, kNarrow, Mapping::symmetric), 1.0F, 0);
  check_params(choose_affine(-127.0, 3.0, kInt8, Mapping::symmetric), 1.0F, 0);
  check_params(choose_affine(-3.0, 127.0, kUint8, Mapping::symmetric), 1.0F, 128);
  check_params(choose_affine(-7.0, 3.0, kInt4, Mapping::symmetric), 1.0F, 0);
  check_params(choose_affine(-7.0, 3.0, Codes{0, 15}, Mapping::symmetric), 1.0F, 8);
}

TEST_CASE("choose_affine gives a zero range the scale one", "[kernels]") {
  check_params(choose_affine(0.0, 0.0, kInt8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(-0.0, -0.0, kUint8, Mapping::asymmetric), 1.0F, 0);
  check_params(choose_affine(0.0, 0.0, Codes{1, 255}, Mapping::asymmetric), 1.0F, 1);
  check_params(choose_affine(0.0, 0.0, kInt8, Mapping::symmetric), 1.0F, 0);
  check_params(choose_affine(0.0, 0.0, kUint8, Mapping::symmetric), 1.0F, 128);
  check_params(choose_affine(1.0, -1.0, kInt8, Mapping::asymmetric), 1.0F, 0);
}

TEST_CASE("choose_affine counts a scale below the smallest normal float as zero", "[kernels]") {
  const double smallest = double{FLT_MIN};
  CHECK(choose_affine(0.0, 255 * smallest, kInt8, Mapping::asymmetric).scale == FLT_MIN);
  CHECK(choose_affine(0.0, 254 * smallest, kInt8, Mapping::asymmetric).scale == 1.0F);
  CHECK(choose_affine(0.0, 127 * smallest, kInt8, Mapping::symmetric).scale == FLT_MIN);
  CHECK(choose_affine(0.0, 126 * smallest, kInt8, Mapping::symmetric).scale == 1.0F);
}

TEST_CASE("choose_affine stays finite for every range", "[kernels]") {
  const double most = std::numeric_limits<double>::max();
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Mapping mapping : {Mapping::asymmetric, Mapping::symmetric})
    for (const Codes codes : {kInt8, kUint8, kInt4})
      for (const double lo : {-inf, -most, -1e300, -double{FLT_MAX}, -0.0, nan, 5.0})
        for (const double hi : {inf, most, double{FLT_MAX}, 0.0, nan}) {
          CAPTURE(lo, hi, codes.min, codes.max);
          const AffineParams got = choose_affine(lo, hi, codes, mapping);
          CHECK(std::isfinite(got.scale));
          CHECK(std::isfinite(static_cast<float>(codes.min - got.zero_point) * got.scale));
          CHECK(std::isfinite(static_cast<float>(codes.max - got.zero_point) * got.scale));
          CHECK(got.scale >= FLT_MIN);
          CHECK(got.zero_point >= codes.min);
          CHECK(got.zero_point <= codes.max);
        }
  // Symmetric limits of float64 have their zero in the middle, though hi - lo is infinite.
  const AffineParams all = choose_affine(-most, most, Codes{-128, 128}, Mapping::asymmetric);
  check_params(all, FLT_MAX / 128 * (1 - 0x1p-23F), 0);
}

TEST_CASE("every rule of choose_affine changes a number", "[kernels]") {
  constexpr Codes kOdd{-127, 127};
  const Mapping affine = Mapping::asymmetric, symmetric = Mapping::symmetric;
  // 255 / 127.5 = 2; 15 / 7.5 = 2; the middle of 0..255 stays 128
  check_params(choose_affine(-3.0, 255.0, kInt8, symmetric, {.half_range = true}), 2.0F, 0);
  check_params(choose_affine(-15.0, 3.0, kInt4, symmetric, {.half_range = true}), 2.0F, 0);
  check_params(choose_affine(-3.0, 255.0, kUint8, symmetric, {.half_range = true}), 2.0F, 128);
  check_params(choose_affine(-3.0, 254.0, kOdd, symmetric, {.half_range = true}), 2.0F, 0);
  // -127 - round(-0.5) = -127, and round(-127 + 0.5) = -126
  check_params(choose_affine(-0.5, 253.5, kOdd, affine, {.round_lo_first = true}), 1.0F, -127);
  check_params(choose_affine(-0.5, 253.5, kOdd, affine), 1.0F, -126);
  // The end 2^24 + 1 of a float64 range is 2^24 in float32.
  const Codes pair{0, 1};
  CHECK(choose_affine(0.0, 16777217.0 * 2, pair, affine).scale == 33554434.0F * 1.0F);
  const double third = 1.0 / 3;
  CHECK(choose_affine(-third, 2e-8, kInt8, affine, {.float32 = true}).scale ==
        (2e-8F + static_cast<float>(third)) / 255.0F);
  // A floor, and the zero point that follows from it: -128 - 0.001 / 0.5
  check_params(choose_affine(-0.001, 0.0, kInt8, affine, {.min_scale = 0.5}), 0.5F, -128);
  check_params(choose_affine(0.0, 0.0, kInt8, affine, {.min_scale = 0.5}), 0.5F, -128);
  check_params(choose_affine(0.0, 0.0, kInt8, symmetric, {.min_scale = 0.5}), 0.5F, 0);
  check_params(choose_affine(0.0, 255.0, kInt8, affine, {.min_scale = 0.5}), 1.0F, -128);
  const AffineRule zero_only{.floor_zero_only = true, .min_scale = 0.5};
  check_params(choose_affine(0.0, 0.0, kInt8, affine, zero_only), 0.5F, 0);
  check_params(choose_affine(0.0, 0.0, Codes{1, 255}, affine, zero_only), 0.5F, 1);
  check_params(choose_affine(0.0, 0.0, kUint8, symmetric, zero_only), 0.5F, 128);
  check_params(choose_affine(0.0, 1e-40, kInt8, affine, zero_only), 0.5F, 0);
  check_params(choose_affine(-0.125 * 128, 0.125 * 127, kInt8, affine, zero_only), 0.125F, 0);
}

TEST_CASE("choose_affine stays finite under every rule", "[kernels]") {
  const double inf = std::numeric_limits<double>::infinity();
  for (unsigned flags = 0; flags < 16; ++flags)
    for (const double least : {0.0, double{FLT_MIN}, double{FLT_EPSILON}, 1.0})
      for (const double lo : {-inf, -1e300, -double{FLT_MAX}, -1.0, -1e-45, 0.0})
        for (const double hi : {inf, 1e300, double{FLT_MAX}, 1.0, 1e-45, 0.0})
          for (const Codes codes : {kInt8, kUint8, kInt4}) {
            CAPTURE(flags, least, lo, hi, codes.min, codes.max);
            const AffineRule rule{(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0,
                                  (flags & 8) != 0, least};
            for (const Mapping mapping : {Mapping::asymmetric, Mapping::symmetric}) {
              const AffineParams got = choose_affine(lo, hi, codes, mapping, rule);
              REQUIRE(std::isfinite(got.scale));
              REQUIRE(got.scale >= FLT_MIN);
              REQUIRE(got.zero_point >= codes.min);
              REQUIRE(got.zero_point <= codes.max);
              if (!rule.floor_zero_only) REQUIRE(double{got.scale} >= least);
            }
          }
}

// |x - x'| <= scale / 2 inside the range up to the rounding of scale to float32 (a relative 2^-24
// of at most 255 steps) and of the zero point (at most half a step at the ends).
TEST_CASE("choose_affine covers the range it was given", "[kernels]") {
  std::mt19937 random(20);
  std::uniform_real_distribution<double> value(-10.0, 10.0);
  for (int i = 0; i < 2000; ++i) {
    double lo = value(random);
    double hi = value(random);
    if (lo > hi) std::swap(lo, hi);
    for (const Codes codes : {kInt8, kUint8, kInt4}) {
      CAPTURE(lo, hi, codes.min, codes.max);
      const AffineParams p = choose_affine(lo, hi, codes, Mapping::asymmetric);
      const double slack = 0.51 * double{p.scale};
      CHECK(double{p.scale} * (codes.min - p.zero_point) <= lo + slack);
      CHECK(double{p.scale} * (codes.max - p.zero_point) >= hi - slack);
    }
  }
}

}  // namespace detent::kernels
