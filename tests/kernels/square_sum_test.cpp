// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <numeric>

#include "kernels/simd_targets.hpp"
#include "support/catch.hpp"
#include "support/vectors.hpp"
#include <detent/kernels/square_sum.hpp>

using namespace detent::kernels;
using namespace detent::test;
namespace json = detent::json;

namespace {

// Its bytes, and what they mean.
bool same(SquareSum a, SquareSum b) {
  a.carry();
  b.carry();
  return a.limbs == b.limbs && a.finite == b.finite && a.non_finite == b.non_finite;
}

SquareSum one_by_one(const std::vector<float>& x) {
  SquareSum sum;
  for (const float v : x) add_square(v, sum);
  return sum;
}

SquareSum sum_of(const std::vector<float>& x) {
  SquareSum sum;
  add_squares(x.data(), 1, x.size(), &sum);
  return sum;
}

// Ordinary activations, some tiny, some huge, some that are no numbers.
std::vector<float> mixed(std::size_t n, unsigned seed) {
  std::vector<float> x = awkward_floats(n, seed);
  std::mt19937 random(seed);
  for (std::size_t i = 0; i < n; ++i)
    if (random() % 2 == 0)
      x[i] = static_cast<float>(
          std::ldexp(uniform(random) - 0.5, static_cast<int>(random() % 90) - 60));
  return x;
}

std::vector<float> floats_at(const json::Value& object, const std::string& pointer) {
  std::vector<float> out;
  for (const std::int64_t bits : ints_at(object, pointer))
    out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  return out;
}

}  // namespace

TEST_CASE("sums of squares and their means are those of exact rational arithmetic",
          "[kernels][square_sum]") {
  for (const json::Value& c : vector_cases("../observers/square_sums.json")) {
    CAPTURE(text_at(c, "/name"));
    const std::vector<float> x = floats_at(c, "/bits");
    SquareSum sum = sum_of(x);
    for (std::int64_t copies = int_at(c, "/doublings"); copies > 0; --copies) {
      const SquareSum half = sum;
      sum.add(half);
    }
    sum.carry();
    const std::vector<std::int64_t> limbs = ints_at(c, "/limbs");
    REQUIRE(limbs.size() == SquareSum::kLimbs);
    CHECK(std::equal(limbs.begin(), limbs.end(), sum.limbs.begin()));
    CHECK(static_cast<std::int64_t>(sum.finite) == int_at(c, "/finite"));
    CHECK(static_cast<std::int64_t>(sum.non_finite) == int_at(c, "/non_finite"));
    CHECK(mean_square(sum) == std::strtod(text_at(c, "/mean").c_str(), nullptr));
  }
}

TEST_CASE("add_squares gives the sums of single elements on every SIMD target", "[per-target]") {
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    for (const std::size_t n : awkward_lengths()) {
      CAPTURE(n);
      REQUIRE(same(sum_of(mixed(n, 7)), one_by_one(mixed(n, 7))));
    }
    const std::vector<float> x = mixed(7 * 333, 8);  // seven runs
    std::vector<SquareSum> sums(7);
    add_squares(x.data(), 7, 333, sums.data());
    add_squares(x.data(), 7, 333, sums.data());
    for (std::size_t r = 0; r < 7; ++r) {
      const std::vector<float> run(x.begin() + static_cast<std::ptrdiff_t>(r * 333),
                                   x.begin() + static_cast<std::ptrdiff_t>(r * 333 + 333));
      SquareSum twice = one_by_one(run);
      twice.add(one_by_one(run));
      REQUIRE(same(sums[r], twice));
    }
  }
}

TEST_CASE("add_square_columns gives the sums of single elements on every SIMD target",
          "[per-target]") {
  for (const auto target : all_targets()) {
    const Target only(target);
    INFO(target_name(target));
    for (const std::size_t columns : {1U, 3U, 8U, 21U})
      for (const std::size_t rows : {0U, 1U, 50U, 4099U}) {
        CAPTURE(columns, rows);
        const std::vector<float> x = mixed(rows * columns, 9);
        std::vector<SquareSum> sums(columns);
        add_square_columns(x.data(), rows, columns, sums.data());
        for (std::size_t c = 0; c < columns; ++c) {
          SquareSum expected;
          for (std::size_t r = 0; r < rows; ++r) add_square(x[r * columns + c], expected);
          REQUIRE(same(sums[c], expected));
        }
      }
  }
}

TEST_CASE("the largest and the smallest parts add up over a whole run", "[kernels][square_sum]") {
  for (const float v :
       {65535.996F, 65536.0F, 0x1p-41F, 0x1.fffffep-42F, 0x1p-42F, 1.9999999F, -3e-5F}) {
    CAPTURE(v);
    CHECK(same(sum_of(std::vector<float>(20000, v)), one_by_one(std::vector<float>(20000, v))));
  }
}

TEST_CASE("no part is added up beyond what a double holds", "[kernels][square_sum]") {
  // (2^24 - 17) / 2^8: the square is exact in a double, and an odd number of the largest part's
  // units.
  const float x = 65535.93359375F;
  SquareSum sum = sum_of(std::vector<float>(60000, x));
  sum.carry();
  CHECK(mean_square(sum) == static_cast<double>(x) * static_cast<double>(x));
}

TEST_CASE("sums do not depend on the order or the split of the values", "[kernels][square_sum]") {
  const std::vector<float> x = mixed(2000, 10);
  const SquareSum whole = sum_of(x);
  std::vector<float> shuffled = x;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(3));
  CHECK(same(sum_of(shuffled), whole));
  for (const std::ptrdiff_t cut : {0, 1, 999, 2000}) {
    SquareSum right = sum_of({x.begin() + cut, x.end()});
    right.add(sum_of({x.begin(), x.begin() + cut}));
    CHECK(same(right, whole));
  }
}

TEST_CASE("the mean of equal values is their square, rounded once", "[kernels][square_sum]") {
  for (const float v : {1.0F, 0.1F, FLT_MAX, FLT_TRUE_MIN, 1e-20F, 3.0F}) {
    SquareSum sum = sum_of(std::vector<float>(49, v));
    sum.carry();
    CHECK(mean_square(sum) == static_cast<double>(v) * v);  // 48 bits: exact
  }
  CHECK(mean_square(SquareSum{}) == 0.0);
}

TEST_CASE("carries wait at most as long as there is room for them", "[kernels][square_sum]") {
  SquareSum sum;
  sum.pending = (1U << 29) - 2;
  for (int i = 0; i < 4; ++i) add_square(3.0F, sum);
  CHECK(sum.pending < 4);
  CHECK(same(sum, one_by_one({3.0F, 3.0F, 3.0F, 3.0F})));
}

TEST_CASE("what a square costs", "[.][benchmark]") {
  std::mt19937 random(1);
  std::vector<float> x(512 * 384);
  for (float& v : x) {
    double sum = 0;
    for (int i = 0; i < 6; ++i) sum += uniform(random) - 0.5;
    v = static_cast<float>(sum);
  }
  std::vector<SquareSum> sums(384);
  BENCHMARK("512 rows of 384 channels, 196608 values") {
    add_square_columns(x.data(), 512, 384, sums.data());
    return sums[0].limbs[9];
  };
  BENCHMARK("one run of 196608 values") {
    add_squares(x.data(), 1, x.size(), sums.data());
    return sums[0].limbs[9];
  };
  std::vector<SquareSum> many(4012);
  BENCHMARK("4012 runs of 49, 196588 values") {
    add_squares(x.data(), 4012, 49, many.data());
    return many[0].limbs[9];
  };
  for (float& v : x) v *= 1e-12F;
  BENCHMARK("values below 2^-41, 196608 of them") {
    add_squares(x.data(), 1, x.size(), sums.data());
    return sums[0].limbs[9];
  };
}
