// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>

#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/convert.hpp>

using namespace detent::kernels;
using namespace detent::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }

// The value of a finite Half by definition, exact in double.
double value_of(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class Real>
std::uint16_t half_of(Real x, HalfOverflow overflow = HalfOverflow::infinity) {
  Half half{};
  to_half(std::span<const Real>(&x, 1), overflow, &half);
  return half.bits;
}

std::vector<Half> every_half() {
  std::vector<Half> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<std::uint16_t>(i);
  return all;
}

}  // namespace

TEST_CASE("every finite Half becomes its value in float32", "[convert]") {
  const auto halves = every_half();
  std::vector<float> floats(halves.size());
  to_float(std::span<const Half>(halves), floats.data());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    if ((halves[i].bits & 0x7C00) == 0x7C00) continue;
    REQUIRE(double{floats[i]} == value_of(halves[i].bits));
    REQUIRE(std::signbit(floats[i]) == ((i & 0x8000) != 0));
  }
  CHECK(floats[0x7C00] == kInf);
  CHECK(floats[0xFC00] == -kInf);
  CHECK(std::isnan(floats[0x7E00]));
  CHECK(std::isnan(floats[0xFC01]));
}

TEST_CASE("conversions to and from Half give the reference's bits on every SIMD target",
          "[per-target]") {
  const auto halves = every_half();
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    std::vector<float> floats(halves.size());
    to_float(std::span<const Half>(halves), floats.data());
    for (std::size_t i = 0; i < halves.size(); ++i)
      REQUIRE(bits_of(floats[i]) == bits_of(half_to_float_ref(halves[i])));

    for (const std::size_t n : awkward_lengths()) {
      const auto x = awkward_floats(n, static_cast<unsigned>(n) + 1);
      std::vector<Half> got(n + 1, Half{42});
      to_half(std::span<const float>(x), HalfOverflow::infinity, got.data());
      REQUIRE(got[n].bits == 42);
      for (std::size_t i = 0; i < n; ++i) {
        CAPTURE(i, x[i]);
        REQUIRE(got[i].bits == float_to_half_ref(x[i]).bits);
      }
    }
  }
}

TEST_CASE("between two neighbouring Halfs the nearer wins, and of a tie the even one",
          "[convert]") {
  // All of them, subnormals too; 0x7BFF and "0x7C00" meet at 65520, which goes to infinity.
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    for (std::uint16_t low = 0; low < 0x7C00; ++low) {
      const auto high = static_cast<std::uint16_t>(low + 1);
      const double above = high == 0x7C00 ? 65536.0 : value_of(high);
      const double middle = (value_of(low) + above) / 2;  // exact, in float32 as well
      const auto x = static_cast<float>(middle);
      const std::uint16_t even = low % 2 == 0 ? low : high;
      CAPTURE(low, middle);
      const bool right = half_of(x) == even && half_of(std::nextafter(x, 0.0F)) == low &&
                         half_of(std::nextafter(x, kInf)) == high && half_of(middle) == even &&
                         half_of(std::nextafter(middle, 0.0)) == low &&
                         half_of(std::nextafter(middle, 1e300)) == high &&
                         half_of(-x) == (even | 0x8000);
      REQUIRE(right);
    }
  }
}

TEST_CASE("a double is rounded to Half once and not twice", "[convert]") {
  // 2049 + 2^-30 is above the tie between 2048 and 2050; float32 would drop the 2^-30 and make it
  // one.
  CHECK(half_of(2049.0 + 0x1p-30) == 0x6801);
  CHECK(half_of(2049.0) == 0x6800);
  CHECK(half_of(1e300) == 0x7C00);
  CHECK(half_of(-1e-300) == 0x8000);
}

TEST_CASE("to_half counts what lies beyond 65504 and clamps only when asked", "[convert]") {
  const std::vector<float> x = {65504.0F,      65505.0F, 65520.0F,  -70000.0F, kInf,
                                std::nanf(""), -1e38F,   -65504.0F, 0.0F};
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    std::vector<Half> as_is(x.size()), clamped(x.size());
    CHECK(to_half(std::span<const float>(x), HalfOverflow::infinity, as_is.data()) == 5);
    CHECK(to_half(std::span<const float>(x), HalfOverflow::clamp, clamped.data()) == 5);
    const std::uint16_t open[] = {0x7BFF, 0x7BFF, 0x7C00, 0xFC00, 0x7C00,
                                  0x7E00, 0xFC00, 0xFBFF, 0};
    const std::uint16_t shut[] = {0x7BFF, 0x7BFF, 0x7BFF, 0xFBFF, 0x7BFF,
                                  0x7E00, 0xFBFF, 0xFBFF, 0};
    for (std::size_t i = 0; i < x.size(); ++i) {
      CAPTURE(x[i]);
      CHECK(as_is[i].bits == open[i]);
      CHECK(clamped[i].bits == shut[i]);
    }
  }
}

TEST_CASE("a double that float32 cannot hold is clamped to Half as well", "[convert]") {
  CHECK(half_of(-1e300, HalfOverflow::clamp) == 0xFBFF);
  CHECK(half_of(65504.000000001, HalfOverflow::clamp) == 0x7BFF);
  const double x[] = {65504.0, 65504.000000001, -1e300};
  Half half[3];
  CHECK(to_half(std::span<const double>(x), HalfOverflow::infinity, half) == 2);
}

TEST_CASE("bfloat16 and float64 become float32", "[convert]") {
  const BFloat16 brain[] = {{0x3F80}, {0xC049}, {0x7F80}, {0x0001}};
  float x[4];
  to_float(std::span<const BFloat16>(brain), x);
  CHECK(x[0] == 1.0F);
  CHECK(x[1] == -3.140625F);
  CHECK(x[2] == kInf);
  CHECK(x[3] == std::ldexp(1.0F, -133));
  const double wide[] = {0.1, 1e300, -1e-46};
  to_float(std::span<const double>(wide), x);
  CHECK(x[0] == 0.1F);
  CHECK(x[1] == kInf);
  CHECK((x[2] == 0.0F && std::signbit(x[2])));
}
