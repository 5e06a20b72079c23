// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/finite_range.hpp>

namespace detent::kernels {
namespace {

bool same_bits(const FiniteRange& a, const FiniteRange& b) {
  return std::bit_cast<std::uint64_t>(a.range.lo) == std::bit_cast<std::uint64_t>(b.range.lo) &&
         std::bit_cast<std::uint64_t>(a.range.hi) == std::bit_cast<std::uint64_t>(b.range.hi) &&
         a.non_finite == b.non_finite;
}

const FiniteRange kGuard{{-42.0, 42.0}, 7};
constexpr std::size_t kLengths[] = {0,  1,  2,  3,  4,  5,  7,  8,   9,   15,  16,
                                    17, 31, 32, 33, 63, 64, 65, 127, 130, 1000};

// Same bits as the reference, and nothing behind the last entry touched. The input starts one
// element behind an aligned address and ends where the buffer does.
template <class T, class Kernel, class Reference>
void compare(std::size_t a, std::size_t b, std::size_t results, Kernel kernel,
             Reference reference) {
  const auto x = test::awkward_values<T>(a * b + 1, static_cast<unsigned>(a * 1000 + b));
  std::vector<FiniteRange> got(results + 1, kGuard);
  std::vector<FiniteRange> expected(results + 1, kGuard);
  std::fill_n(got.begin(), results, FiniteRange{});
  std::fill_n(expected.begin(), results, FiniteRange{});
  kernel(x.data() + 1, a, b, got.data());
  reference(x.data() + 1, a, b, expected.data());
  for (std::size_t i = 0; i <= results; ++i) {
    INFO("result " << i << " of " << results << ": " << got[i].range.lo << ".." << got[i].range.hi
                   << ", " << got[i].non_finite << " not finite; expected " << expected[i].range.lo
                   << ".." << expected[i].range.hi << ", " << expected[i].non_finite);
    REQUIRE(same_bits(got[i], expected[i]));
  }
}

template <class T>
void compare_runs() {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    for (const std::size_t length : kLengths)
      for (const std::size_t runs : {0U, 1U, 3U}) {
        INFO(test::target_name(target) << ", " << runs << " runs of " << length);
        compare<T>(
            runs, length, runs, [](auto... args) { finite_ranges(args...); },
            [](auto... args) { finite_ranges_ref(args...); });
      }
  }
}

}  // namespace

TEMPLATE_TEST_CASE("finite_ranges gives the reference's bits on every SIMD target",
                   "[kernels][per-target]", float, double, Half, BFloat16, std::int8_t,
                   std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t) {
  compare_runs<TestType>();
}

TEMPLATE_TEST_CASE("finite_columns gives the reference's bits on every SIMD target",
                   "[kernels][per-target]", float, double, Half, BFloat16) {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    for (const std::size_t columns : {0U, 1U, 2U, 3U, 7U, 8U, 9U, 16U, 33U, 130U, 1029U})
      for (const std::size_t rows : {0U, 1U, 2U, 3U, 4U, 5U, 37U}) {
        INFO(test::target_name(target) << ", " << rows << " rows of " << columns);
        compare<TestType>(
            rows, columns, columns, [](auto... args) { finite_columns(args...); },
            [](auto... args) { finite_columns_ref(args...); });
      }
  }
}

// What is finite goes through in one go: so it must be looked at alone, and beside a NaN in each
// place.
TEMPLATE_TEST_CASE("one element that is not finite is found wherever it is", "[per-target]", float,
                   double, Half, BFloat16) {
  constexpr std::size_t kLength = 2100;  // more than one block
  std::vector<TestType> x = test::awkward_values<TestType>(kLength, 77);
  for (TestType& v : x)
    if (!std::isfinite(to_double(v))) v = TestType{};
  const auto nan = test::awkward_values<TestType>(500, 78);
  const TestType bad = *std::find_if(nan.begin(), nan.end(),
                                     [](TestType v) { return !std::isfinite(to_double(v)); });
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    for (std::size_t at = 0; at <= kLength; at += at < 70 || at > 2030 ? 1 : 97) {
      CAPTURE(at);
      std::vector<TestType> y = x;
      if (at < kLength) y[at] = bad;
      FiniteRange got;
      FiniteRange expected;
      finite_ranges(y.data(), 1, kLength, &got);
      finite_ranges_ref(y.data(), 1, kLength, &expected);
      REQUIRE(expected.non_finite == (at < kLength ? 1 : 0));
      REQUIRE(same_bits(got, expected));
      std::vector<FiniteRange> columns(21);
      std::vector<FiniteRange> columns_expected(21);
      finite_columns(y.data(), 100, 21, columns.data());
      finite_columns_ref(y.data(), 100, 21, columns_expected.data());
      REQUIRE(std::equal(columns.begin(), columns.end(), columns_expected.begin(), same_bits));
    }
  }
}

TEST_CASE("finite_ranges finds the extremes and counts what is not finite", "[kernels]") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(100, 1.0F);
  x[3] = nan;
  x[40] = -7.5F;
  x[41] = inf;
  x[77] = -inf;
  x[99] = 1e30F;
  FiniteRange out;
  finite_ranges(x.data(), 1, x.size(), &out);
  CHECK(out.range.lo == -7.5);
  CHECK(out.range.hi == double{1e30F});
  CHECK(out.non_finite == 3);
}

TEST_CASE("finite_ranges leaves the range empty when nothing is finite", "[kernels]") {
  const std::vector<float> x(70, std::numeric_limits<float>::quiet_NaN());
  const std::vector<Half> h(70, Half{0xFC00});
  FiniteRange from_floats;
  FiniteRange from_halves;
  finite_ranges(x.data(), 1, x.size(), &from_floats);
  finite_ranges(h.data(), 1, h.size(), &from_halves);
  CHECK(from_floats.range.empty());
  CHECK(from_halves.range.empty());
  CHECK(from_floats.non_finite == 70);
  CHECK(from_halves.non_finite == 70);
}

TEST_CASE("finite_ranges reports negative zero as positive zero", "[kernels]") {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    const std::vector<float> x(65, -0.0F);
    FiniteRange out;
    finite_ranges(x.data(), 1, x.size(), &out);
    CHECK_FALSE(std::signbit(out.range.lo));
    CHECK_FALSE(std::signbit(out.range.hi));
  }
}

TEST_CASE("finite_ranges widens what its caller already has", "[kernels]") {
  FiniteRange out{{-1.0, 2.0}, 5};
  const std::vector<float> x{0.0F, 3.0F, std::numeric_limits<float>::quiet_NaN()};
  finite_ranges(x.data(), 1, x.size(), &out);
  CHECK(same_bits(out, FiniteRange{{-1.0, 3.0}, 6}));
}

// Known bit patterns of IEEE 754 binary16 and of bfloat16.
TEST_CASE("to_double decodes the 16-bit formats", "[kernels]") {
  CHECK(to_double(Half{0x3C00}) == 1.0);
  CHECK(to_double(Half{0xC000}) == -2.0);
  CHECK(to_double(Half{0x7BFF}) == 65504.0);
  CHECK(to_double(Half{0x0001}) == 0x1p-24);
  CHECK(to_double(Half{0x83FF}) == -1023 * 0x1p-24);
  CHECK(to_double(Half{0x0400}) == 0x1p-14);
  CHECK(to_double(Half{0x3555}) == 0.333251953125);
  CHECK(std::isinf(to_double(Half{0xFC00})));
  CHECK(std::isnan(to_double(Half{0x7C01})));
  CHECK(to_double(BFloat16{0x3F80}) == 1.0);
  CHECK(to_double(BFloat16{0xC2F7}) == -123.5);
  CHECK(std::isnan(to_double(BFloat16{0x7F81})));
}

}  // namespace detent::kernels
