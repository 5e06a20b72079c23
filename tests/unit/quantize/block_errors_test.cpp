// SPDX-License-Identifier: Apache-2.0
// Errors of a tensor in blocks: the same bits as those of the whole.
#include "quantize/block_errors.hpp"

#include <bit>
#include <random>

#include "support/catch.hpp"

namespace detent::test {
namespace {

struct Values {
  explicit Values(std::size_t n) : x(n), y(n) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = normal(random);
      y[i] = x[i] + 0.01F * normal(random);
    }
  }
  std::span<const std::byte> bytes(std::size_t begin, std::size_t n) const {
    return std::as_bytes(std::span(x).subspan(begin, n));
  }
  std::vector<float> x;
  std::vector<float> y;
};

QuantizationError in_blocks(const Values& v, std::size_t block) {
  ErrorTotals totals;
  for (std::size_t begin = 0; begin < v.x.size(); begin += block) {
    const std::size_t n = std::min(block, v.x.size() - begin);
    const std::span<const float> y = std::span(v.y).subspan(begin, n);
    BlockErrors errors;
    errors.add_up(DETENT_F32, begin, v.bytes(begin, n), y);
    totals.add(errors, DETENT_F32, begin, v.bytes(begin, n), y);
  }
  return totals.total();
}

void check_same_bits(const QuantizationError& a, const QuantizationError& b) {
  const auto bits = [](double v) { return std::bit_cast<std::uint64_t>(v); };
  CHECK(bits(a.signal) == bits(b.signal));
  CHECK(bits(a.noise) == bits(b.noise));
  CHECK(bits(a.max_abs_error) == bits(b.max_abs_error));
  CHECK(bits(a.product) == bits(b.product));
  CHECK(bits(a.restored) == bits(b.restored));
  CHECK(a.elements == b.elements);
}

}  // namespace

TEST_CASE("errors of blocks of any size add up to those of the whole, to the bit") {
  ThreadPool pool(1);
  for (const std::size_t n : {std::size_t{1}, std::size_t{70'001}, std::size_t{4 * kBlock},
                              std::size_t{5 * kBlock + 12'345}}) {
    const Values v(n);
    const QuantizationError whole = measure_error(DETENT_F32, v.bytes(0, n), v.y, pool);
    for (const std::size_t block :
         {std::size_t{kBlock}, std::size_t{kBlock + 1}, std::size_t{2 * kBlock - 3},
          std::size_t{100'000}, std::size_t{3 * kBlock}, std::size_t{n}})
      check_same_bits(in_blocks(v, std::max(block, std::size_t{kBlock})), whole);
  }
}

TEST_CASE("the same sums in another order are other bits: the check can tell") {
  ThreadPool pool(1);
  const Values v(5 * kBlock + 12'345);
  const QuantizationError whole = measure_error(DETENT_F32, v.bytes(0, v.x.size()), v.y, pool);
  QuantizationError other;
  for (std::size_t begin = 0; begin < v.x.size(); begin += 1000) {
    const std::size_t n = std::min<std::size_t>(1000, v.x.size() - begin);
    other.add(measure_error(DETENT_F32, v.bytes(begin, n), std::span(v.y).subspan(begin, n), pool));
  }
  CHECK(other.noise != whole.noise);
}

}  // namespace detent::test
