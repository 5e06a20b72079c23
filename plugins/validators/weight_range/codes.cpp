// SPDX-License-Identifier: Apache-2.0
#include "codes.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace detent::validators {
namespace {

int64_t decode_nibble(unsigned nibble, bool is_signed) {
  return is_signed && nibble >= 8 ? int64_t{nibble} - 16 : int64_t{nibble};
}

// How many of the two codes in each possible byte are outside.
std::array<uint8_t, 256> outside_by_byte(bool is_signed, CodeRange range) {
  std::array<uint8_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte)
    for (const unsigned nibble : {byte & 15U, byte >> 4}) {
      const int64_t code = decode_nibble(nibble, is_signed);
      table[byte] = static_cast<uint8_t>(table[byte] + (code < range.min || code > range.max));
    }
  return table;
}

uint64_t count_rows(const char* bytes, int64_t rows, int64_t row_length, bool is_signed,
                    CodeRange range) {
  const std::array<uint8_t, 256> outside = outside_by_byte(is_signed, range);
  if (std::all_of(outside.begin(), outside.end(), [](uint8_t n) { return n == 0; })) return 0;
  uint64_t count = 0;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < row_length / 2; ++i) count += outside[*p++];
    if (row_length % 2 != 0) {  // the high nibble is padding
      const int64_t code = decode_nibble(*p++ & 15U, is_signed);
      count += code < range.min || code > range.max ? 1 : 0;
    }
  }
  return count;
}

// In the codes' own type, and in parts of one size: the compiler makes vectors of them.
template <class T>
uint64_t count_compact(const char* bytes, int64_t n, CodeRange range) {
  constexpr int64_t kAtOnce = 128;  // what a counter of eight bits holds
  const int64_t low = std::max<int64_t>(range.min, std::numeric_limits<T>::min());
  const int64_t high = std::min<int64_t>(range.max, std::numeric_limits<T>::max());
  if (low > high) return static_cast<uint64_t>(n);
  const T least = static_cast<T>(low);
  const T most = static_cast<T>(high);
  const auto* codes = reinterpret_cast<const T*>(bytes);
  uint64_t count = 0;
  int64_t i = 0;
  for (; i + kAtOnce <= n; i += kAtOnce) {
    uint8_t outside = 0;
    for (int64_t k = 0; k < kAtOnce; ++k)
      outside = static_cast<uint8_t>(outside + (codes[i + k] < least || codes[i + k] > most));
    count += outside;
  }
  for (; i < n; ++i) count += codes[i] < least || codes[i] > most ? 1 : 0;
  return count;
}

}  // namespace

uint64_t count_packed_outside(const sdk::TensorView& bytes, bool is_signed, int64_t row_length,
                              CodeRange range) {
  const int64_t n = bytes.numel();
  const int64_t row_bytes = row_length / 2 + row_length % 2;
  if (n == 0 || row_bytes == 0) return 0;
  return count_rows(bytes.bytes(), n / row_bytes, row_length, is_signed, range);
}

uint64_t count_outside(const sdk::TensorView& codes, CodeRange range) {
  const int64_t n = codes.numel();
  if (n == 0) return 0;
  const detent_dtype dtype = codes.dtype();
  if (dtype == DETENT_I4 || dtype == DETENT_U4) {
    const int64_t row = codes.ndim() == 0 ? 1 : codes.size(codes.ndim() - 1);
    return count_rows(codes.bytes(), n / row, row, dtype == DETENT_I4, range);
  }
  if (codes.contiguous() && dtype == DETENT_I8)
    return count_compact<int8_t>(codes.bytes(), n, range);
  if (codes.contiguous() && dtype == DETENT_U8)
    return count_compact<uint8_t>(codes.bytes(), n, range);
  uint64_t count = 0;
  if (!sdk::is_floating_point(dtype))
    codes.for_each(-1, [&](double code, int64_t) {
      count +=
          code < static_cast<double>(range.min) || code > static_cast<double>(range.max) ? 1 : 0;
    });
  return count;
}

}  // namespace detent::validators
