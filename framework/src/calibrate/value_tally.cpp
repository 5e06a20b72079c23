// SPDX-License-Identifier: Apache-2.0
#include "calibrate/value_tally.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace detent {
namespace {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

constexpr std::uint32_t kBinShift = 16;  // bits of a float32 below those that choose the bin

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
bool take(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return true;
}

// The values that a bin holds, the lower end first.
std::pair<double, double> interval(std::size_t page, std::size_t bin) {
  const auto bits = static_cast<std::uint32_t>(page * 128 + bin) << kBinShift;
  const double near = std::bit_cast<float>(bits);
  const double far = std::bit_cast<float>(bits | ((1U << kBinShift) - 1));
  return {std::min(near, far), std::max(near, far)};
}

}  // namespace

ValueTally::Page& ValueTally::page(std::size_t index) {
  if (!pages_[index]) pages_[index] = std::make_unique<Page>();
  return *pages_[index];
}

void ValueTally::add(const ValueCounter& counted) {
  for (const std::size_t p : counted.pages()) {
    Page& mine = page(p);
    for (std::size_t b = 0; b < kBins; ++b) mine[b] += counted.in_bin(p, b);
  }
  finite_ += counted.finite();
  non_finite_ += counted.non_finite();
  min_ = std::min(min_, counted.min());
  max_ = std::max(max_, counted.max());
}

void ValueTally::merge(const ValueTally& other) {
  for (std::size_t p = 0; p < kPages; ++p) {
    if (!other.pages_[p]) continue;
    Page& mine = page(p);
    for (std::size_t b = 0; b < kBins; ++b) mine[b] += (*other.pages_[p])[b];
  }
  finite_ += other.finite_;
  non_finite_ += other.non_finite_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double ValueTally::fraction_outside(double low, double high) const {
  if (finite_ == 0 || (min_ >= low && max_ <= high)) return 0;
  double outside = 0;
  for (std::size_t p = 0; p < kPages; ++p) {
    if (!pages_[p]) continue;
    for (std::size_t b = 0; b < kBins; ++b) {
      const auto in_bin = static_cast<double>((*pages_[p])[b]);
      if (in_bin == 0) continue;
      auto [from, to] = interval(p, b);
      from = std::max(from, min_);
      to = std::min(to, max_);
      if (from >= low && to <= high) continue;
      const double inside = std::min(to, high) - std::max(from, low);
      outside += inside <= 0 ? in_bin : in_bin * (1 - inside / (to - from));
    }
  }
  return outside / static_cast<double>(finite_);
}

void ValueTally::save(std::string& out) const {
  append(out, finite_);
  append(out, non_finite_);
  append(out, min_);
  append(out, max_);
  for (std::size_t p = 0; p < kPages; ++p) {
    if (!pages_[p]) continue;
    append(out, static_cast<std::uint64_t>(p));
    append(out, *pages_[p]);
  }
}

bool ValueTally::load(std::string_view bytes) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62;  // so that sums of two cannot wrap
  ValueTally read;
  if (!take(bytes, read.finite_) || !take(bytes, read.non_finite_) || !take(bytes, read.min_) ||
      !take(bytes, read.max_) || read.finite_ > kMost || read.non_finite_ > kMost)
    return false;
  std::uint64_t left = read.finite_;
  std::uint64_t index = 0;
  std::uint64_t first_free = 0;
  while (take(bytes, index)) {
    if (index < first_free || index >= kPages || !take(bytes, read.page(index))) return false;
    first_free = index + 1;
    for (const std::uint64_t n : *read.pages_[index]) {
      if (n > left) return false;
      left -= n;
    }
  }
  const bool ends_fit = read.finite_ == 0 ? read.min_ > read.max_ : read.min_ <= read.max_;
  if (!bytes.empty() || left != 0 || !ends_fit) return false;
  *this = std::move(read);
  return true;
}

}  // namespace detent
