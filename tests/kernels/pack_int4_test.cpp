// SPDX-License-Identifier: Apache-2.0
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/pack_int4.hpp>
#include <detent/kernels/quantize_affine.hpp>
#include <detent/kernels/quantize_int4.hpp>

using namespace detent::kernels;
using namespace detent::test;

namespace {

std::vector<std::uint8_t> packed(const std::vector<std::int8_t>& codes) {
  std::vector<std::uint8_t> bytes(packed_int4_bytes(codes.size()));
  pack_int4(codes, bytes.data());
  return bytes;
}

std::vector<std::int8_t> random_codes(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int8_t> codes(n);
  for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 16) - 8);
  return codes;
}

}  // namespace

TEST_CASE("pack_int4 puts the first code into the low nibble and pads an odd row", "[pack]") {
  CHECK(packed({1, -2, 7, -8, 0, 3}) == std::vector<std::uint8_t>{0xE1, 0x87, 0x30});
  CHECK(packed({5}) == std::vector<std::uint8_t>{0x05});
  CHECK(packed({-8, 7, -8, 7, -8}) == std::vector<std::uint8_t>{0x78, 0x78, 0x08});
  CHECK(packed({}).empty());
}

TEST_CASE("pack_int4 and back give the reference's bytes on every SIMD target", "[per-target]") {
  for (const auto target : all_targets()) {
    CAPTURE(target_name(target));
    const Target chosen(target);
    for (const std::size_t n : awkward_lengths()) {
      CAPTURE(n);
      const auto codes = random_codes(n, 7 + static_cast<unsigned>(n));
      const std::size_t bytes = packed_int4_bytes(n);
      std::vector<std::uint8_t> got(bytes + 1, 0xA5), expected(bytes + 1, 0xA5);
      pack_int4(codes, got.data());
      pack_int4_ref(codes, expected.data());
      REQUIRE(got == expected);

      std::vector<std::int8_t> back(n + 1, 42), back_ref(n + 1, 42);
      unpack_int4(got.data(), {back.data(), n});
      unpack_int4_ref(got.data(), {back_ref.data(), n});
      REQUIRE(back == back_ref);
      back.resize(n);
      REQUIRE(back == codes);
    }
  }
}

TEST_CASE("quantize_int4_row is quantize_affine for each group and pack_int4 for the row",
          "[quantize]") {
  constexpr Codes kInt4{-8, 7};
  // Odd groups, groups longer than the block on the stack, a short last group, group > row.
  for (const std::size_t n : {0U, 1U, 7U, 64U, 100U, 1023U, 1024U, 1025U, 3001U}) {
    for (const std::size_t group : {1U, 3U, 32U, 127U, 128U, 1000U, 5000U}) {
      CAPTURE(n, group);
      const auto x = awkward_floats(n, static_cast<unsigned>(n + group));
      std::vector<AffineParams> params;
      std::vector<std::int8_t> codes(n);
      std::vector<float> expected(n);
      for (std::size_t i = 0; i < n; i += group) {
        const std::size_t count = std::min(group, n - i);
        params.push_back({0.25F + static_cast<float>(i), static_cast<std::int32_t>(i % 16) - 8});
        const std::span<const float> part(x.data() + i, count);
        quantize_affine(part, params.back(), kInt4, codes.data() + i);
        dequantize_affine(std::span<const std::int8_t>(codes.data() + i, count), params.back(),
                          expected.data() + i);
      }
      REQUIRE(params.size() == groups_in_row(n, group));

      auto want = packed(codes);
      want.push_back(0xA5);
      std::vector<std::uint8_t> bytes(want.size(), 0xA5);
      quantize_int4_row(std::span<const float>(x), {group, params.data()}, kInt4, bytes.data());
      REQUIRE(bytes == want);

      std::vector<float> back(n);
      dequantize_int4_row(bytes.data(), {group, params.data()}, back);
      REQUIRE(back == expected);
    }
  }
}
