// SPDX-License-Identifier: Apache-2.0
// Half, BFloat16: the 16-bit formats as types of their own; to_double: any element, exactly.
#pragma once
#include <bit>
#include <cstdint>

namespace detent::kernels {

struct Half {  // IEEE binary16
  std::uint16_t bits;
};
struct BFloat16 {  // the upper half of a binary32
  std::uint16_t bits;
};
static_assert(sizeof(Half) == 2 && sizeof(BFloat16) == 2);

inline double to_double(BFloat16 value) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

inline double to_double(Half value) noexcept {
  const std::uint32_t sign = (value.bits & 0x8000U) << 16;
  const std::uint32_t magnitude = value.bits & 0x7FFFU;
  if (magnitude < 0x400U) {  // subnormal: a multiple of 2^-24
    const double v = static_cast<double>(magnitude) * 0x1p-24;
    return sign != 0 ? -v : v;
  }
  // The exponent's bias grows from 15 to 127; an all-ones exponent stays one.
  const std::uint32_t bias = magnitude < 0x7C00U ? 112U << 23 : 224U << 23;
  return std::bit_cast<float>(sign | ((magnitude << 13) + bias));
}

template <class T>
double to_double(T value) noexcept {
  return static_cast<double>(value);
}

}  // namespace detent::kernels
