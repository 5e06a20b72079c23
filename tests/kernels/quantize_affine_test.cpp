// SPDX-License-Identifier: Apache-2.0
#include <cfloat>
#include <cmath>
#include <cstring>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/quantize_affine.hpp>

using namespace detent::kernels;
using namespace detent::test;

namespace {

constexpr Codes kInt8{-128, 127};
constexpr Codes kNarrow{-127, 127};
constexpr Codes kUint8{0, 255};
constexpr Codes kInt4{-8, 7};
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Mapped {
  AffineParams params;
  Codes codes;
};

const std::vector<Mapped> kSigned = {{{1.0F, 0}, kInt8},           {{0.1F, 100}, kInt8},
                                     {{0.1F, -128}, kInt8},        {{0.7F, 0}, kNarrow},
                                     {{FLT_MIN, -8}, kInt4},       {{FLT_MAX, 127}, kInt8},
                                     {{0.00214854861F, 3}, kInt8}, {{3.0F, 7}, kInt4}};
const std::vector<Mapped> kUnsigned = {
    {{1.0F, 128}, kUint8}, {{0.1F, 0}, kUint8}, {{0.3F, 255}, kUint8}, {{FLT_MIN, 77}, {1, 255}}};

// Both ways, with a guard element behind the end of each.
template <class Code>
void check_against_reference(const std::vector<float>& x, const Mapped& m) {
  const std::size_t n = x.size();
  std::vector<Code> q(n + 1, 42);
  quantize_affine(x, m.params, m.codes, q.data());
  REQUIRE(q[n] == 42);
  std::vector<float> back(n + 1, 42.0F);
  dequantize_affine(std::span<const Code>(q.data(), n), m.params, back.data());
  REQUIRE(back[n] == 42.0F);
  for (std::size_t i = 0; i < n; ++i) {
    CAPTURE(i, x[i], m.params.scale, m.params.zero_point);
    REQUIRE(int{q[i]} == quantize_affine_ref(x[i], m.params, m.codes));
    REQUIRE(back[i] == dequantize_affine_ref(q[i], m.params));
  }
}

int quantize_one(float x, AffineParams params, Codes codes) {
  std::int8_t q = 42;
  quantize_affine(std::span<const float>(&x, 1), params, codes, &q);
  CHECK(quantize_affine_ref(x, params, codes) == q);
  return q;
}

}  // namespace

TEST_CASE("quantize_affine and back give the reference's bits on every SIMD target",
          "[per-target]") {
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    unsigned seed = 1;
    for (const std::size_t n : awkward_lengths()) {
      const auto x = awkward_floats(n, ++seed);
      for (const Mapped& m : kSigned) check_against_reference<std::int8_t>(x, m);
      for (const Mapped& m : kUnsigned) check_against_reference<std::uint8_t>(x, m);
    }
  }
}

TEST_CASE("squared_error is the reference's sum, to the bit, on every SIMD target",
          "[per-target]") {
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    unsigned seed = 1;
    for (const std::size_t n : awkward_lengths()) {
      const auto x = awkward_floats(n, ++seed, true);
      for (const Mapped& m : kSigned) {
        CAPTURE(n, m.params.scale, m.params.zero_point);
        REQUIRE(squared_error(x, m.params, m.codes) == squared_error_ref(x, m.params, m.codes));
      }
    }
  }
}

TEST_CASE("quantize_affine rounds ties to even", "[quantize]") {
  CHECK(quantize_one(0.5F, {1.0F, 0}, kInt8) == 0);
  CHECK(quantize_one(1.5F, {1.0F, 0}, kInt8) == 2);
  CHECK(quantize_one(2.5F, {1.0F, 0}, kInt8) == 2);
  CHECK(quantize_one(-2.5F, {1.0F, 0}, kInt8) == -2);
  CHECK(quantize_one(-3.5F, {1.0F, 0}, kInt8) == -4);
  CHECK(quantize_one(0.49999997F, {1.0F, 0}, kInt8) == 0);
  // The tie is the quotient's: an odd zero point does not turn it.
  CHECK(quantize_one(0.5F, {1.0F, 1}, kInt8) == 1);
}

TEST_CASE("quantize_affine divides and does not multiply by the reciprocal", "[quantize]") {
  // 37.5 / 15 is the tie 2.5. Times the rounded reciprocal it is 2.5000002, and the code would
  // be 3.
  CHECK(quantize_one(37.5F, {15.0F, 0}, kInt8) == 2);
  // 143.5 / 41 is the tie 3.5. Times the reciprocal it is 3.4999998, and the code would be 3.
  CHECK(quantize_one(143.5F, {41.0F, 0}, kInt8) == 4);
  // FBGEMM's example: the float32 quotient is 127.499992; times the reciprocal 127.5 and the code
  // 0.
  CHECK(quantize_one(0.273939937F, {0.00214854861F, -128}, kInt8) == -1);
}

TEST_CASE("quantize_affine saturates at the codes and not at the type", "[quantize]") {
  CHECK(quantize_one(-1000.0F, {1.0F, 0}, kNarrow) == -127);
  CHECK(quantize_one(1000.0F, {1.0F, 0}, kInt4) == 7);
  CHECK(quantize_one(-1000.0F, {1.0F, 3}, kInt4) == -8);
  CHECK(quantize_one(3e38F, {FLT_MIN, 0}, kInt8) == 127);  // the quotient overflows
}

TEST_CASE("quantize_affine maps NaN to the zero point and infinities to the ends", "[quantize]") {
  CHECK(quantize_one(std::nanf(""), {1.0F, 5}, kInt8) == 5);
  CHECK(quantize_one(kInf, {1.0F, 5}, kInt8) == 127);
  CHECK(quantize_one(-kInf, {1.0F, 5}, kInt8) == -128);
}

TEST_CASE("dequantize_affine is the float32 product of the exact difference", "[quantize]") {
  const std::int8_t q[] = {-128, 0, 127};
  float x[3];
  dequantize_affine(q, {0.1F, 127}, x);
  CHECK(x[0] == -255.0F * 0.1F);
  CHECK(x[1] == -127.0F * 0.1F);
  CHECK(x[2] == 0.0F);
}

TEST_CASE("what lies within the codes' range comes back within half a scale", "[quantize]") {
  // Two roundings to float32 are allowed for: of the quotient and of the product.
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    const float scale = std::ldexp(1.0F + static_cast<float>(random() % 1000) / 1000.0F,
                                   static_cast<int>(random() % 60) - 30);
    const AffineParams params{scale, static_cast<std::int32_t>(random() % 256) - 128};
    for (int k = 0; k < 200; ++k) {
      const double low = (-128.0 - params.zero_point) * scale;
      const auto x = static_cast<float>(low + uniform(random) * 255.0 * scale);
      std::int8_t q;
      float back;
      quantize_affine(std::span<const float>(&x, 1), params, kInt8, &q);
      dequantize_affine(std::span<const std::int8_t>(&q, 1), params, &back);
      CAPTURE(seed, x, scale, params.zero_point);
      REQUIRE(std::abs(double{x} - back) <= scale * (0.5 + 256 * 0x1p-23));
    }
  }
}

TEMPLATE_TEST_CASE("elements of any type are quantized as the float32 that they become",
                   "[per-target]", float, double, Half, BFloat16) {
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    for (const std::size_t n : awkward_lengths()) {
      const auto x = awkward_values<TestType>(n, static_cast<unsigned>(n) + 1);
      std::vector<char> bytes(n * sizeof(TestType) + 1);  // aligned to nothing
      if (n != 0) std::memcpy(bytes.data() + 1, x.data(), n * sizeof(TestType));
      const auto* const unaligned = reinterpret_cast<const TestType*>(bytes.data() + 1);
      std::vector<std::int8_t> q(n + 1, 42);
      std::vector<std::uint8_t> u(n + 1, 42);
      const AffineParams params{0.37F, 9};
      quantize_affine(unaligned, n, params, kInt8, q.data());
      quantize_affine(unaligned, n, params, kUint8, u.data());
      for (std::size_t i = 0; i < n; ++i) {
        const auto value = static_cast<float>(to_double(x[i]));
        REQUIRE(int{q[i]} == quantize_affine_ref(value, params, kInt8));
        REQUIRE(int{u[i]} == quantize_affine_ref(value, params, kUint8));
      }
      REQUIRE(q[n] == 42);
      REQUIRE(u[n] == 42);
    }
  }
}

// A product with the reciprocal is another number than the quotient, and next to a tie it is
// another code.
TEST_CASE("values next to ties get the code of the quotient on every SIMD target", "[per-target]") {
  std::mt19937 random(3);
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    for (int draw = 0; draw < 60; ++draw) {
      const auto scale = static_cast<float>(
          std::ldexp(uniform(random) + 0.5, static_cast<int>(random() % 220) - 110));
      std::vector<float> x;
      for (int k = -130; k < 130; ++k) {
        float value = (static_cast<float>(k) + 0.5F) * scale;
        for (int ulps = 0; ulps < 3; ++ulps) value = std::nextafter(value, -INFINITY);
        for (int ulps = -3; ulps <= 3; ++ulps) {
          x.push_back(value);
          value = std::nextafter(value, INFINITY);
        }
      }
      check_against_reference<std::int8_t>(x, {{scale, draw % 5 - 2}, kInt8});
    }
  }
}
