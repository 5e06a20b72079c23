// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "plugin/answer_check.hpp"

namespace detent {
namespace {

// The elements are aligned to 64 bytes and were written as bytes: memcpy keeps to the aliasing
// rules and costs nothing.
template <class T, class IsGood>
std::uint64_t first_bad(const HostTensor& tensor, IsGood is_good) {
  // Of a fixed number, so that the compiler makes vectors of them.
  constexpr std::uint64_t kAtOnce = 1024;
  const std::byte* at = tensor.bytes().data();
  const std::uint64_t n = tensor.numel();
  const auto good = [&](std::uint64_t i) {
    T value;
    std::memcpy(&value, at + i * sizeof(T), sizeof value);
    return is_good(value);
  };
  std::uint64_t begin = 0;
  for (; begin + kAtOnce <= n; begin += kAtOnce) {
    unsigned bad = 0;
    for (std::uint64_t i = 0; i < kAtOnce; ++i) bad |= good(begin + i) ? 0U : 1U;
    if (bad != 0) break;
  }
  for (; begin < n; ++begin)
    if (!good(begin)) return begin;
  return n;
}

// IEEE formats order positive numbers as their bits do: good are the patterns between zero and
// infinity (or the NaN that takes its place), both left out.
template <class Bits>
std::uint64_t first_outside_bits(const HostTensor& tensor, Bits infinity) {
  return first_bad<Bits>(tensor, [=](Bits bits) { return bits > 0 && bits < infinity; });
}

template <class T>
std::uint64_t first_outside_of(const HostTensor& tensor, std::int64_t low, std::int64_t high) {
  constexpr T kLeast = std::numeric_limits<T>::min();
  constexpr T kMost = std::numeric_limits<T>::max();
  if (std::cmp_less_equal(low, kLeast) && std::cmp_greater_equal(high, kMost)) {
    return tensor.numel();
  }
  if (low > high || std::cmp_greater(low, kMost) || std::cmp_less(high, kLeast)) return 0;
  const T least = std::cmp_less(low, kLeast) ? kLeast : static_cast<T>(low);
  const T most = std::cmp_greater(high, kMost) ? kMost : static_cast<T>(high);
  return first_bad<T>(tensor, [=](T v) { return v >= least && v <= most; });
}

// Rows of a packed 4-bit tensor: a row starts on a byte, the first element is in the low nibble.
struct Rows {
  std::uint64_t count;
  std::uint64_t length;
  std::uint64_t bytes;
};

Rows rows_of(const HostTensor& tensor) {
  const std::uint64_t length =
      tensor.shape().empty() ? 1 : static_cast<std::uint64_t>(tensor.shape().back());
  return {length == 0 ? 0 : tensor.numel() / length, length, (length + 1) / 2};
}

std::uint64_t first_outside_nibbles(const HostTensor& tensor, std::int64_t low, std::int64_t high) {
  const bool is_signed = tensor.dtype() == DETENT_I4;
  bool good[16];
  bool all_good = true;
  for (int code = 0; code < 16; ++code) {
    const int value = is_signed && code >= 8 ? code - 16 : code;
    good[code] = value >= low && value <= high;
    all_good = all_good && good[code];
  }
  if (all_good) return tensor.numel();
  const Rows rows = rows_of(tensor);
  const std::byte* at = tensor.bytes().data();
  for (std::uint64_t r = 0; r < rows.count; ++r, at += rows.bytes) {
    for (std::uint64_t i = 0; i < rows.length; ++i) {
      const auto byte = std::to_integer<unsigned>(at[i / 2]);
      if (!good[(i % 2 == 0 ? byte : byte >> 4) & 15U]) return r * rows.length + i;
    }
  }
  return tensor.numel();
}

}  // namespace

std::uint64_t first_bad_scale(const HostTensor& scale) {
  switch (scale.dtype()) {
    case DETENT_F64: return first_outside_bits<std::uint64_t>(scale, 0x7FF0000000000000);
    case DETENT_F32: return first_outside_bits<std::uint32_t>(scale, 0x7F800000);
    case DETENT_F16: return first_outside_bits<std::uint16_t>(scale, 0x7C00);
    case DETENT_BF16: return first_outside_bits<std::uint16_t>(scale, 0x7F80);
    case DETENT_F8_E4M3FN: return first_outside_bits<std::uint8_t>(scale, 0x7F);
    case DETENT_F8_E8M0FNU:  // no sign and no zero; 0xFF is NaN
      return first_bad<std::uint8_t>(scale, [](std::uint8_t bits) { return bits != 0xFF; });
    default: return scale.numel();
  }
}

std::uint64_t first_outside(const HostTensor& tensor, std::int64_t low, std::int64_t high) {
  switch (tensor.dtype()) {
    case DETENT_I4:
    case DETENT_U4: return first_outside_nibbles(tensor, low, high);
    case DETENT_I8: return first_outside_of<std::int8_t>(tensor, low, high);
    case DETENT_U8: return first_outside_of<std::uint8_t>(tensor, low, high);
    case DETENT_I16: return first_outside_of<std::int16_t>(tensor, low, high);
    case DETENT_U16: return first_outside_of<std::uint16_t>(tensor, low, high);
    case DETENT_I32: return first_outside_of<std::int32_t>(tensor, low, high);
    case DETENT_U32: return first_outside_of<std::uint32_t>(tensor, low, high);
    case DETENT_I64: return first_outside_of<std::int64_t>(tensor, low, high);
    case DETENT_U64: return first_outside_of<std::uint64_t>(tensor, low, high);
    default: return tensor.numel();
  }
}

bool has_clear_spare_bits(const HostTensor& tensor) {
  if (DETENT_DTYPE_BITS(tensor.dtype()) != 4) return true;
  const Rows rows = rows_of(tensor);
  if (rows.length % 2 == 0) return true;
  const std::byte* data = tensor.bytes().data();
  for (std::uint64_t r = 0; r < rows.count; ++r) {
    if (std::to_integer<unsigned>(data[(r + 1) * rows.bytes - 1]) > 0x0F) return false;
  }
  return true;
}

}  // namespace detent
