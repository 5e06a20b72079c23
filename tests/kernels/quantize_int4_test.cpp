// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cfloat>
#include <cstring>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/finite_range.hpp>
#include <detent/kernels/pack_int4.hpp>
#include <detent/kernels/quantize_affine.hpp>
#include <detent/kernels/quantize_int4.hpp>

namespace detent::kernels {
namespace {

constexpr Codes kInt4{-8, 7};
constexpr std::uint8_t kGuard = 0xA5;

struct Row {
  std::vector<AffineParams> params;
  std::vector<std::uint8_t> bytes;  // and one more
  bool finite = true;
};

// A group after the other, an element after the other.
template <class T>
void encode_ref(const std::vector<T>& x, std::size_t group_size, Row& row) {
  std::vector<std::int8_t> codes(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    codes[i] = static_cast<std::int8_t>(quantize_affine_ref(static_cast<float>(to_double(x[i])),
                                                            row.params[i / group_size], kInt4));
  row.bytes.assign(packed_int4_bytes(x.size()) + 1, kGuard);
  pack_int4_ref(codes, row.bytes.data());
}

template <class T>
Row round_ref(const std::vector<T>& x, std::size_t group_size, Mapping mapping) {
  Row row;
  for (std::size_t i = 0; i < x.size(); i += group_size) {
    FiniteRange found;
    finite_ranges_ref(x.data() + i, 1, std::min(group_size, x.size() - i), &found);
    row.finite = row.finite && found.non_finite == 0;
    row.params.push_back(choose_affine(found.range.lo, found.range.hi, kInt4, mapping));
  }
  encode_ref(x, group_size, row);
  return row;
}

bool same_bits(const AffineParams& a, const AffineParams& b) {
  return std::bit_cast<std::uint32_t>(a.scale) == std::bit_cast<std::uint32_t>(b.scale) &&
         a.zero_point == b.zero_point;
}

// Both ways of a row: parameters chosen here, and given.
template <class T>
void compare(const std::vector<T>& x, std::size_t group_size, Mapping mapping) {
  std::vector<char> storage(x.size() * sizeof(T) + 1);  // aligned to nothing
  if (!x.empty()) std::memcpy(storage.data() + 1, x.data(), x.size() * sizeof(T));
  const std::span<const T> row(reinterpret_cast<const T*>(storage.data() + 1), x.size());
  Row expected = round_ref(x, group_size, mapping);
  Row got{std::vector<AffineParams>(expected.params.size()),
          std::vector<std::uint8_t>(expected.bytes.size(), kGuard)};
  got.finite =
      round_int4_row(row, {group_size, kInt4, mapping}, got.params.data(), got.bytes.data());
  REQUIRE(got.finite == expected.finite);
  if (expected.finite) {
    REQUIRE(std::equal(got.params.begin(), got.params.end(), expected.params.begin(), same_bits));
    REQUIRE(got.bytes == expected.bytes);
  }
  REQUIRE(got.bytes.back() == kGuard);

  for (std::size_t g = 0; g < expected.params.size(); ++g)
    expected.params[g] = {0.5F + static_cast<float>(g), static_cast<std::int32_t>(g % 16) - 8};
  encode_ref(x, group_size, expected);
  quantize_int4_row(row, {group_size, expected.params.data()}, kInt4, got.bytes.data());
  REQUIRE(got.bytes == expected.bytes);
}

// Finite ones of any magnitude, and runs of each awkward kind alone: whole groups of zeros, of
// subnormals, of the largest numbers.
template <class T>
std::vector<T> finite_values(std::size_t n, unsigned seed) {
  std::vector<T> x = test::awkward_values<T>(n, seed);
  for (T& v : x)
    if (!std::isfinite(to_double(v))) v = T{};
  for (std::size_t i = 0; i < n; ++i)
    if (i / 32 % 3 != 0) x[i] = x[i / 32 * 32 + i % 2];
  return x;
}

template <class T>
std::vector<T> ordinary(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> x(n);
  for (T& v : x) {
    const auto value = static_cast<float>(test::uniform(random) * 2 - 1);
    if constexpr (std::is_same_v<T, Half>) {
      v.bits = static_cast<std::uint16_t>(random() % 0x4000U | (random() & 0x8000U));
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      v.bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16U);
    } else {
      v = static_cast<T>(value);
    }
  }
  return x;
}

constexpr Mapping kMappings[] = {Mapping::symmetric, Mapping::asymmetric};

}  // namespace

TEMPLATE_TEST_CASE("rows of groups have the reference's parameters and bytes on every SIMD target",
                   "[per-target]", float, double, Half, BFloat16) {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    for (const std::size_t group : {1U, 7U, 32U, 64U, 96U, 100U, 128U, 4128U})
      for (const std::size_t n : {0U, 1U, 31U, 32U, 33U, 64U, 95U, 96U, 127U, 384U, 1000U, 4225U})
        for (const Mapping mapping : kMappings) {
          INFO(test::target_name(target) << ", " << n << " in groups of " << group);
          compare(ordinary<TestType>(n, static_cast<unsigned>(n)), group, mapping);
          compare(finite_values<TestType>(n, static_cast<unsigned>(n + group)), group, mapping);
        }
  }
}

TEST_CASE("many groups are of one row", "[per-target]") {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    for (const Mapping mapping : kMappings) {
      compare(ordinary<float>(32 * 131, 5), 32, mapping);
      compare(finite_values<float>(32 * 131, 6), 32, mapping);
    }
  }
}

TEMPLATE_TEST_CASE("a row with one element that is not finite is refused", "[per-target]", float,
                   double, Half, BFloat16) {
  const auto awkward = test::awkward_values<TestType>(500, 78);
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    std::size_t tried = 0;
    for (const TestType bad : awkward) {
      if (std::isfinite(to_double(bad))) continue;
      for (const Mapping mapping : kMappings) {
        std::vector<TestType> x = ordinary<TestType>(300, 1);
        x[tried++ * 37 % x.size()] = bad;
        compare(x, 32, mapping);
      }
    }
    CHECK(tried > 10);
  }
}

TEST_CASE("codes of a group are those of a hand-computed one", "[quantize]") {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    std::vector<float> x(64, 0.0F);
    x[0] = 14;      // the largest magnitude: scale 2
    x[1] = -13.1F;  // -6.55: -7
    x[2] = 5;       // 2.5: 2, ties to even
    x[3] = 7;       // 3.5: 4
    x[63] = -1.1F;  // -0.55: -1
    std::vector<AffineParams> params(2);
    std::vector<std::uint8_t> bytes(32, kGuard);
    REQUIRE(round_int4_row(std::span<const float>(x), {64, kInt4, Mapping::symmetric},
                           params.data(), bytes.data()));
    CHECK(params[0].scale == 2.0F);
    CHECK(params[0].zero_point == 0);
    CHECK(int{bytes[0]} == 0x97);
    CHECK(int{bytes[1]} == 0x42);
    CHECK(int{bytes[2]} == 0);
    CHECK(int{bytes[31]} == 0xF0);
  }
}

}  // namespace detent::kernels
