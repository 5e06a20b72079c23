// SPDX-License-Identifier: Apache-2.0
// Whole tensors at once against one value after the other.
#include "calibrate/value_counter.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "calibrate/value_tally.hpp"
#include "support/catch.hpp"
#include "support/tensor.hpp"

namespace detent::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

// Counts one value at a time, and writes what a tally is saved as.
class OneByOne {
 public:
  void add(float value) {
    if (!std::isfinite(value)) {
      ++non_finite_;
      return;
    }
    ++finite_;
    const std::uint32_t bin = std::bit_cast<std::uint32_t>(value) >> 16U;
    auto& page = pages_[bin / 128];
    page.resize(128);
    ++page[bin % 128];
    if (double{value} < min_) min_ = double{value};
    if (double{value} > max_) max_ = double{value};
  }
  void add(const std::vector<float>& values) {
    for (const float v : values) add(v);
  }

  std::string bytes() const {
    std::string out;
    const auto append = [&](const auto& v) {
      out.append(reinterpret_cast<const char*>(&v), sizeof v);
    };
    append(finite_);
    append(non_finite_);
    append(min_);
    append(max_);
    for (const auto& [index, page] : pages_) {
      append(index);
      for (const std::uint64_t n : page) append(n);
    }
    return out;
  }

 private:
  std::map<std::uint64_t, std::vector<std::uint64_t>> pages_;
  std::uint64_t finite_ = 0;
  std::uint64_t non_finite_ = 0;
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
};

std::string bytes_of(const ValueTally& tally) {
  std::string bytes;
  tally.save(bytes);
  return bytes;
}

Tensor row(const std::vector<float>& values) {
  return Tensor::of({static_cast<std::int64_t>(values.size())}, values);
}

std::vector<float> normal(std::size_t n, unsigned seed, float scale = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.0F, scale);
  std::vector<float> values(n);
  for (float& v : values) v = distribution(generator);
  return values;
}

// Every bit pattern is as likely as any other: all exponents, NaN and infinities too.
std::vector<float> any_bits(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(n);
  for (float& v : values) v = std::bit_cast<float>(static_cast<std::uint32_t>(generator()));
  return values;
}

// One tensor after the other through the same counter into one tally.
void check_equal(const std::vector<std::vector<float>>& tensors) {
  ValueCounter counter;
  ValueTally tally;
  OneByOne expected;
  for (const auto& values : tensors) {
    counter.count(row(values).view());
    tally.add(counter);
    expected.add(values);
    REQUIRE(bytes_of(tally) == expected.bytes());
  }
}

}  // namespace

TEST_CASE("counting whole tensors gives the tally of their values one by one, at every length") {
  for (std::size_t n = 0; n < 40; ++n) check_equal({normal(n, 1), any_bits(n, 2)});
  for (const std::size_t n : {4095U, 4096U, 4097U, 8199U, 100'003U})
    check_equal({normal(n, 3), normal(n, 4, 1e-20F), any_bits(n, 5), normal(n, 6, 1e6F)});
}

TEST_CASE("values at the ends of the format are counted in their bins") {
  check_equal({{0.0F}, {-0.0F}, {kTiny, -kTiny}, {kLargest, -kLargest}, {1e-38F}});
  check_equal({std::vector<float>(10'000, kTiny), std::vector<float>(10'000, kLargest)});
  check_equal({{kNaN}, {kInfinity, -kInfinity}, {-kNaN}, {}});
  check_equal({std::vector<float>(5000, kNaN), std::vector<float>(5000, -kInfinity), {1.0F}});
}

TEST_CASE("of zeros of both signs the first one is the extreme, as if they came one by one") {
  const auto with = [](std::size_t n, float all, std::size_t at, float one) {
    std::vector<float> values(n, all);
    values[at] = one;
    return values;
  };
  for (const float all : {1.0F, -1.0F, 0.0F, -0.0F})
    for (const float one : {0.0F, -0.0F})
      for (const std::size_t at : {0U, 3U, 17U, 4096U, 9999U}) {
        CAPTURE(all, one, at);
        check_equal({with(10'000, all, at, one)});
        check_equal({with(10'000, all, at, one), with(10'000, all, at, -one)});
        std::vector<float> both = with(10'000, all, at, one);
        both[(at + 5000) % 10'000] = -one;
        check_equal({both});
      }
}

TEST_CASE("an infinity among finite values hides none of them") {
  for (const std::size_t at : {0U, 5U, 4000U, 4999U})
    for (const float odd : {kInfinity, -kInfinity, kNaN}) {
      std::vector<float> values = normal(5000, 8);
      values[at] = odd;
      values[(at + 1) % 5000] = odd < 0 ? -50.0F : 50.0F;
      check_equal({values});
    }
}

TEST_CASE("what was counted before is forgotten, and can be added to several tallies") {
  ValueCounter counter;
  counter.count(row(normal(1000, 1, 1e10F)).view());
  const std::vector<float> values = normal(1000, 2);
  counter.count(row(values).view());
  OneByOne expected;
  expected.add(values);
  for (int i = 0; i < 3; ++i) {
    ValueTally tally;
    tally.add(counter);
    CHECK(bytes_of(tally) == expected.bytes());
  }
}

TEST_CASE("a tensor need not lie where floats would") {
  const std::vector<float> values = normal(5000, 9);
  std::vector<char> memory(values.size() * sizeof(float) + 1);
  std::memcpy(memory.data() + 1, values.data(), values.size() * sizeof(float));
  const Tensor tensor = row(values);
  detent_tensor view = tensor.view();
  view.data = memory.data() + 1;
  ValueCounter counter;
  counter.count(view);
  ValueTally tally;
  tally.add(counter);
  OneByOne expected;
  expected.add(values);
  CHECK(bytes_of(tally) == expected.bytes());
}

TEST_CASE("halves, bfloat16 and doubles longer than a block are counted like floats") {
  const std::size_t n = 10'001;
  std::vector<std::uint16_t> bits(n);
  std::vector<double> doubles(n);
  std::vector<float> as_bfloats(n);
  std::vector<float> as_floats(n);
  for (std::size_t i = 0; i < n; ++i) {
    bits[i] = static_cast<std::uint16_t>(i * 13);
    as_bfloats[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits[i]) << 16U);
    doubles[i] = std::sin(static_cast<double>(i));
    as_floats[i] = static_cast<float>(doubles[i]);
  }
  const auto length = static_cast<std::int64_t>(n);
  const auto check = [](const Tensor& tensor, const std::vector<float>& values) {
    ValueCounter counter;
    counter.count(tensor.view());
    ValueTally tally;
    tally.add(counter);
    OneByOne expected;
    expected.add(values);
    CHECK(bytes_of(tally) == expected.bytes());
  };
  check(Tensor::of_bits(DETENT_BF16, {length}, bits), as_bfloats);
  check(Tensor::of({length}, doubles), as_floats);
  ValueCounter counter;  // 65504 is the largest half; its bits are in the pattern, as is -0
  counter.count(Tensor::of_bits(DETENT_F16, {length}, bits).view());
  CHECK(counter.finite() + counter.non_finite() == n);
  CHECK(counter.max() == 65504.0);
  CHECK(counter.non_finite() ==
        static_cast<std::uint64_t>(std::count_if(
            bits.begin(), bits.end(), [](std::uint16_t b) { return (b & 0x7C00U) == 0x7C00U; })));
}

}  // namespace detent::test
