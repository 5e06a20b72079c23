// SPDX-License-Identifier: Apache-2.0
#include "calibrate/value_counter.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

#include "base/error.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace {

constexpr std::uint32_t kBinShift = 16;  // bits of a float32 below those that choose the bin
constexpr std::size_t kBlock = 4096;     // values that stay in the first cache between two passes
constexpr std::size_t kSigned = ValueCounter::kPages / 2;  // pages of one sign
constexpr float kLargest = std::numeric_limits<float>::max();

template <class T>
T load_at(const void* data, std::size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + i * sizeof(T), sizeof(T));
  return value;
}

// Four floats at a time, with instructions that every processor of the architecture has: gcc and
// clang make one of each choice below.
constexpr std::size_t kLanes = 4;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

struct LaneRange {
  Lanes low = Lanes{} + std::numeric_limits<float>::infinity();
  Lanes high = Lanes{} - std::numeric_limits<float>::infinity();

  void include(Lanes x) {
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
};

struct FloatRange {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();

  void include(float x) {
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  void include(const LaneRange& lanes) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      include(lanes.low[i]);
      include(lanes.high[i]);
    }
  }
};

// The least and the greatest, infinities included and NaN left out. Which of two equal zeros it
// gives is not said. Two chains, since an instruction waits for the one before it in its chain.
FloatRange range_of(const void* floats, std::size_t n) {
  LaneRange even;
  LaneRange odd;
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    even.include(load_at<Lanes>(floats, i / kLanes));
    odd.include(load_at<Lanes>(floats, i / kLanes + 1));
  }
  FloatRange range;
  range.include(even);
  range.include(odd);
  for (; i < n; ++i) range.include(load_at<float>(floats, i));
  return range;
}

float as_float(double value) {
  const bool beyond = std::isfinite(value) && std::fabs(value) > double{kLargest};
  return beyond ? std::copysign(kLargest, static_cast<float>(std::copysign(1.0, value)))
                : static_cast<float>(value);
}

}  // namespace

void ValueCounter::clear() {
  for (const std::size_t page : pages_)
    std::fill_n(counts_.begin() + static_cast<std::ptrdiff_t>(2 * page * kBins), 2 * kBins, 0U);
  pages_.clear();
  finite_ = 0;
  non_finite_ = 0;
  min_ = std::numeric_limits<double>::infinity();
  max_ = -std::numeric_limits<double>::infinity();
}

void ValueCounter::count(const detent_tensor& x) {
  clear();
  const std::uint64_t n = x.nbytes * 8 / std::max(1U, DETENT_DTYPE_BITS(x.dtype));
  if (n > std::numeric_limits<std::uint32_t>::max())
    throw Error(ErrorCode::quantization,
                fmt::format("an activation of {} values is more than can be counted", n),
                "choose a smaller \"calibration\": {\"batch_size\": ...}");
  switch (x.dtype) {
    case DETENT_F32: count_floats(x.data, n); break;
    case DETENT_F16: count_converted<std::uint16_t>(x.data, n, sdk::half_to_float); break;
    case DETENT_BF16: count_converted<std::uint16_t>(x.data, n, sdk::bfloat16_to_float); break;
    case DETENT_F64: count_converted<double>(x.data, n, as_float); break;
    default: return;
  }
  non_finite_ = take_non_finite();
  finite_ = n - non_finite_;
  find_pages(finite_);
}

template <class T, class Convert>
void ValueCounter::count_converted(const void* data, std::size_t n, Convert convert) {
  std::array<float, kBlock> block;
  for (std::size_t done = 0; done < n; done += kBlock) {
    const std::size_t some = std::min(n - done, kBlock);
    for (std::size_t i = 0; i < some; ++i) block[i] = convert(load_at<T>(data, done + i));
    count_block(block.data(), some);
  }
}

void ValueCounter::count_floats(const void* data, std::size_t n) {
  for (std::size_t done = 0; done < n; done += kBlock)
    count_block(static_cast<const char*>(data) + done * sizeof(float), std::min(n - done, kBlock));
}

void ValueCounter::count_block(const void* floats, std::size_t n) {
  std::uint32_t* const counts = counts_.data();
  const auto add = [&](std::size_t i) {
    ++counts[2 * (load_at<std::uint32_t>(floats, i) >> kBinShift) + i % 2];
  };
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    add(i);
    add(i + 1);
    add(i + 2);
    add(i + 3);
  }
  for (; i < n; ++i) add(i);
  include(floats, n);
}

// Zeros are equal and have a sign: of several the first counts, wherever a tensor is cut.
void ValueCounter::include(const void* floats, std::size_t n) {
  const auto [low, high] = range_of(floats, n);
  const bool infinite = std::isinf(low) || std::isinf(high);
  const bool zero = (low == 0 && min_ > 0) || (high == 0 && max_ < 0);
  if (infinite || zero) return include_one_by_one(floats, n);
  min_ = std::min(min_, double{low});
  max_ = std::max(max_, double{high});
}

void ValueCounter::include_one_by_one(const void* floats, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const auto value = load_at<float>(floats, i);
    if (!std::isfinite(value)) continue;
    min_ = std::min(min_, double{value});
    max_ = std::max(max_, double{value});
  }
}

// The last page of either sign has the infinities and NaN.
std::uint64_t ValueCounter::take_non_finite() {
  std::uint64_t found = 0;
  for (const std::size_t page : {kSigned - 1, kPages - 1}) {
    for (std::size_t bin = 0; bin < kBins; ++bin) found += in_bin(page, bin);
    std::fill_n(counts_.begin() + static_cast<std::ptrdiff_t>(2 * page * kBins), 2 * kBins, 0U);
  }
  return found;
}

// From the page of the farthest value towards zero, until all values are found: most values are
// near the farthest. Zeros are looked for beforehand, they are common and at the other end.
void ValueCounter::find_pages(std::uint64_t n) {
  const auto visit = [&](std::size_t page) {
    std::uint64_t found = 0;
    for (std::size_t bin = 0; bin < kBins; ++bin) found += in_bin(page, bin);
    if (found > 0) pages_.push_back(page);
    n -= found;
  };
  if (n == 0) return;
  visit(0);
  visit(kSigned);
  const auto farthest = static_cast<float>(std::max(-min_, max_));
  std::size_t exponent = (std::bit_cast<std::uint32_t>(farthest) & 0x7FFFFFFFU) >> 23U;
  for (; n > 0; --exponent) {
    visit(exponent);
    visit(kSigned + exponent);
  }
}

}  // namespace detent
