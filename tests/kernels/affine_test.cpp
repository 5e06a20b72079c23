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
