// SPDX-License-Identifier: Apache-2.0
// SquareSum: the sum of the squares of float32 values, exact; add_squares, mean_square.
//
//   add_squares         run r is x[r * length] .. x[r * length + length - 1], and goes into out[r]
//   add_square_columns  column c is x[c], x[columns + c], ... (rows of them), and goes into out[c]
//
// A fixed-point number wide enough for 2^63 squares of any float32, from 2^-298 to 2^256, so the
// result depends on nothing but the set of values: not on their order, and not on who adds which.
//
// Shapes    x holds runs * length (rows * columns) elements; any of them may be 0. out holds runs
//           (columns) sums that are added to
// Rounding  none in sums; mean_square is the exact mean rounded once, to the nearest, ties to even
// Special   NaN and the infinities are counted in non_finite and otherwise left out
// Errors    none. Requires fewer than 2^62 values
// Truth     add_square; the test's integers of any size; every SIMD target gives the same sums
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace detent::kernels {

struct SquareSum {
  static constexpr std::size_t kLimbs = 20;
  static constexpr int kLowestBit = -298;  // the square of the smallest float32

  // The sum of limbs[i] * 2^(32 i + kLowestBit). Carries wait in the upper halves until carry().
  std::array<std::int64_t, kLimbs> limbs{};
  std::uint64_t finite = 0;
  std::uint64_t non_finite = 0;
  std::uint32_t pending = 0;  // additions since the last carry()

  // Limbs of 32 bits each, none of them negative: equal sums are equal bytes.
  void carry() noexcept;
  // Adds the other's values.
  void add(const SquareSum& other) noexcept;
};

void add_squares(const float* x, std::size_t runs, std::size_t length, SquareSum* out);
void add_square_columns(const float* x, std::size_t rows, std::size_t columns, SquareSum* out);

// One element, as anybody would add it.
void add_square(float x, SquareSum& out) noexcept;

// 0 when there are no finite values. Requires carried sums.
double mean_square(const SquareSum& sum) noexcept;

}  // namespace detent::kernels
