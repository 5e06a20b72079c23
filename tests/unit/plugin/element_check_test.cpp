// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <limits>

#include "plugin/answer_check.hpp"
#include "support/catch.hpp"

using namespace detent;

namespace {

template <class T>
std::uint64_t first_bad(detent_dtype dtype, const std::vector<T>& values) {
  HostTensor t("scale", dtype, {static_cast<std::int64_t>(values.size())});
  std::memcpy(t.bytes().data(), values.data(), values.size() * sizeof(T));
  return first_bad_scale(t);
}

template <class T>
std::uint64_t outside(detent_dtype dtype, const std::vector<T>& values, std::int64_t low,
                      std::int64_t high) {
  HostTensor t("codes", dtype, {static_cast<std::int64_t>(values.size())});
  std::memcpy(t.bytes().data(), values.data(), values.size() * sizeof(T));
  return first_outside(t, low, high);
}

}  // namespace

TEST_CASE("scales are good when finite and above zero, the smallest denormal included") {
  using F = std::numeric_limits<float>;
  CHECK(first_bad<float>(DETENT_F32, {1, F::denorm_min(), F::max()}) == 3);
  for (const float bad : {0.0F, -0.0F, -1.0F, F::infinity(), -F::infinity(), F::quiet_NaN()}) {
    CHECK(first_bad<float>(DETENT_F32, {1, bad, 1}) == 1);
  }
  using D = std::numeric_limits<double>;
  CHECK(first_bad<double>(DETENT_F64, {1, D::denorm_min(), D::max()}) == 3);
  CHECK(first_bad<double>(DETENT_F64, {D::infinity()}) == 0);
  CHECK(first_bad<double>(DETENT_F64, {-D::quiet_NaN()}) == 0);
}

TEST_CASE("scales in 16 and 8 bits are judged by their own formats") {
  // binary16: 0x7BFF is 65504, 0x7C00 infinity, 0x7E00 NaN, 0x8001 negative.
  CHECK(first_bad<std::uint16_t>(DETENT_F16, {0x0001, 0x3C00, 0x7BFF}) == 3);
  for (const int bad : {0x0000, 0x7C00, 0x7E00, 0x8001, 0xFC00}) {
    CHECK(first_bad<std::uint16_t>(DETENT_F16, {static_cast<std::uint16_t>(bad)}) == 0);
  }
  CHECK(first_bad<std::uint16_t>(DETENT_BF16, {0x0001, 0x7C00, 0x7F7F}) == 3);
  CHECK(first_bad<std::uint16_t>(DETENT_BF16, {0x7F80}) == 0);
  // e4m3fn has no infinity: 0x7E is 448, 0x7F NaN. e8m0 has no zero and no sign: 0xFF is NaN.
  CHECK(first_bad<std::uint8_t>(DETENT_F8_E4M3FN, {0x01, 0x7E}) == 2);
  CHECK(first_bad<std::uint8_t>(DETENT_F8_E4M3FN, {0x7F}) == 0);
  CHECK(first_bad<std::uint8_t>(DETENT_F8_E8M0FNU, {0x00, 0xFE, 0xFF}) == 2);
}

TEST_CASE("integers outside the range are found by their index") {
  CHECK(outside<std::int8_t>(DETENT_I8, {-127, 127, -128, 3}, -127, 127) == 2);
  CHECK(outside<std::int8_t>(DETENT_I8, {-128, 127}, -128, 127) == 2);
  CHECK(outside<std::uint8_t>(DETENT_U8, {0, 255}, 0, 254) == 1);
  CHECK(outside<std::int16_t>(DETENT_I16, {-300}, -128, 127) == 0);
  CHECK(outside<std::int32_t>(DETENT_I32, {5, INT32_MIN}, -128, 127) == 1);
  CHECK(outside<std::int64_t>(DETENT_I64, {5, INT64_MAX}, -128, 127) == 1);
  CHECK(outside<std::uint64_t>(DETENT_U64, {5, UINT64_MAX}, -128, 127) == 1);
  CHECK(outside<float>(DETENT_F32, {1e9F}, -128, 127) == 1);  // not an integer: not judged
}

TEST_CASE("4-bit codes are unpacked, low nibble first, each row on a byte") {
  HostTensor t("codes", DETENT_I4, {2, 3});
  const unsigned char bytes[] = {0x71, 0x0F, 0x21, 0x08};  // 1 7 -1 | 1 2 -8
  std::memcpy(t.bytes().data(), bytes, 4);
  CHECK(first_outside(t, -8, 7) == 6);
  CHECK(first_outside(t, -7, 7) == 5);
  CHECK(first_outside(t, -8, 6) == 1);
  CHECK(first_outside(t, 0, 7) == 2);
  HostTensor u("codes", DETENT_U4, {3});
  const unsigned char unsigned_bytes[] = {0xF0, 0x08};  // 0 15 8
  std::memcpy(u.bytes().data(), unsigned_bytes, 2);
  CHECK(first_outside(u, 0, 15) == 3);
  CHECK(first_outside(u, 0, 14) == 1);
}

TEST_CASE("the unused nibble of an odd row must be zero") {
  HostTensor t("codes", DETENT_I4, {2, 3});
  CHECK(has_clear_spare_bits(t));
  t.bytes()[0] = std::byte{0xFF};  // two codes
  CHECK(has_clear_spare_bits(t));
  t.bytes()[3] = std::byte{0x10};
  CHECK_FALSE(has_clear_spare_bits(t));
  HostTensor even("codes", DETENT_U4, {1, 2});
  even.bytes()[0] = std::byte{0xFF};
  CHECK(has_clear_spare_bits(even));
  HostTensor wide("codes", DETENT_I8, {3});
  wide.bytes()[2] = std::byte{0xFF};
  CHECK(has_clear_spare_bits(wide));
  CHECK(has_clear_spare_bits(HostTensor("codes", DETENT_I4, {0, 3})));
  CHECK(has_clear_spare_bits(HostTensor("codes", DETENT_I4, {3, 0})));
}
