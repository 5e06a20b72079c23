// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstring>

#include "kernels/awkward.hpp"
#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include <detent/kernels/error_lanes.hpp>

namespace detent::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool same_bits(const double (&a)[4], const double (&b)[4]) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;  // which NaN is nobody's promise
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return false;
  }
  return true;
}

bool same_bits(const ErrorLanes& a, const ErrorLanes& b) {
  return same_bits(a.signal, b.signal) && same_bits(a.noise, b.noise) &&
         same_bits(a.restored, b.restored) && same_bits(a.product, b.product) &&
         same_bits(a.largest, b.largest);
}

// Elements behind an address that is aligned to nothing.
template <class T>
class Unaligned {
 public:
  explicit Unaligned(const std::vector<T>& x) : bytes_(x.size() * sizeof(T) + 1) {
    if (!x.empty()) std::memcpy(bytes_.data() + 1, x.data(), x.size() * sizeof(T));
  }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + 1); }

 private:
  std::vector<char> bytes_;
};

// Ordinary values: sums whose last bits show any other order.
template <class T>
std::vector<T> ordinary(std::size_t n) {
  std::mt19937 random(11);
  std::vector<T> values(n);
  for (T& value : values) {
    const auto x = static_cast<float>(test::uniform(random) * 2 - 1);
    if constexpr (std::is_same_v<T, Half>) {
      value.bits = static_cast<std::uint16_t>(random() % 0x7C00U | (random() & 0x8000U));
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      value.bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16U);
    } else {
      value = static_cast<T>(x) / 3;
    }
  }
  return values;
}

template <class T>
void compare(const std::vector<T>& values, const std::vector<float>& back, std::uint64_t from) {
  const Unaligned<T> x(values);
  ErrorLanes expected;
  expected.signal[1] = 0.1;  // sums go on from what is there
  ErrorLanes got = expected;
  add_errors_ref(x.data(), back.data(), back.size(), from, expected);
  add_errors(x.data(), back.data(), back.size(), from, got);
  REQUIRE(same_bits(got, expected));
}

}  // namespace

TEMPLATE_TEST_CASE("add_errors gives the reference's bits on every SIMD target", "[per-target]",
                   float, double, Half, BFloat16) {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    for (std::size_t n = 0; n < 40; ++n)
      for (std::uint64_t from = 0; from < 5; ++from) {
        INFO(test::target_name(target) << ", " << n << " from " << from);
        compare(ordinary<TestType>(n), ordinary<float>(n + 1), from);
        compare(test::awkward_values<TestType>(n, 3), test::awkward_floats(n, 5), from);
      }
    INFO(test::target_name(target));
    compare(ordinary<TestType>(70001), ordinary<float>(70001), (std::uint64_t{1} << 40U) + 3);
    compare(test::awkward_values<TestType>(5003, 4), test::awkward_floats(5003, 6), 2);
  }
}

TEST_CASE("add_errors of pieces in order gives the bits of the whole", "[kernels][error_lanes]") {
  const std::vector<float> x = ordinary<float>(3000);
  const std::vector<float> y = test::awkward_floats(3000, 9, true);
  ErrorLanes whole;
  add_errors(x.data(), y.data(), x.size(), 7, whole);
  ErrorLanes pieces;
  std::size_t length = 1;
  for (std::size_t i = 0; i < x.size(); i += length, length = length * 3 % 101) {
    length = std::min(length, x.size() - i);
    add_errors(x.data() + i, y.data() + i, length, 7 + i, pieces);
  }
  CHECK(same_bits(pieces, whole));
}

TEST_CASE("every lane holds the sums of its own elements", "[kernels][error_lanes]") {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6};
  const std::vector<float> y = {1, 1, 5, 4, 8, 6};
  ErrorLanes sums;
  add_errors(x.data(), y.data(), x.size(), 1, sums);  // element 0 is in lane 1
  CHECK(same_bits(sums.signal, {16, 1 + 25, 4 + 36, 9}));
  CHECK(same_bits(sums.noise, {0, 9, 1, 4}));
  CHECK(same_bits(sums.restored, {16, 1 + 64, 1 + 36, 25}));
  CHECK(same_bits(sums.product, {16, 1 + 40, 2 + 36, 15}));
  CHECK(same_bits(sums.largest, {0, 3, 1, 2}));
}

TEST_CASE("a NaN is not the largest error, and an infinity is", "[kernels][error_lanes]") {
  for (const std::int64_t target : test::all_targets()) {
    const test::Target on(target);
    INFO(test::target_name(target));
    const std::vector<float> x(8, 1.0F);
    std::vector<float> y = {3, kNaN, 1, 1, kNaN, 4, kInfinity, 1};
    ErrorLanes sums;
    add_errors(x.data(), y.data(), x.size(), 0, sums);
    CHECK(same_bits(sums.largest, {2, 3, kInfinity, 0}));
    CHECK(std::isnan(sums.noise[0]));
    CHECK(sums.noise[3] == 0);
  }
}

}  // namespace detent::kernels
