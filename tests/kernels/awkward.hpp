// SPDX-License-Identifier: Apache-2.0
// Values that kernels get wrong: both zeros, subnormals, the limits, infinities, NaN of either
// sign.
#pragma once
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include <detent/kernels/element.hpp>

namespace detent::test {

// n values, about a third of them awkward, the rest drawn over many magnitudes. Reproducible.
template <class T>
std::vector<T> awkward_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> values(n);
  if constexpr (std::is_same_v<T, kernels::Half> || std::is_same_v<T, kernels::BFloat16>) {
    // Any bit pattern is awkward enough: one in 32 (in 256 for bf16) is not finite.
    constexpr std::uint16_t kInfinity = std::is_same_v<T, kernels::Half> ? 0x7C00 : 0x7F80;
    const std::uint16_t special[] = {
        0,      0x8000,    1,
        0x8001, kInfinity, static_cast<std::uint16_t>(kInfinity | 0x8000U),
        0x7FFF, 0xFFFF,    static_cast<std::uint16_t>(kInfinity - 1U)};
    for (T& v : values)
      v.bits = random() % 3 == 0 ? special[random() % std::size(special)]
                                 : static_cast<std::uint16_t>(random());
  } else if constexpr (std::is_integral_v<T>) {
    for (T& v : values) v = static_cast<T>(random());
  } else {
    using L = std::numeric_limits<T>;
    const T special[] = {T{0},
                         -T{0},
                         L::denorm_min(),
                         -L::denorm_min(),
                         L::min(),
                         L::max(),
                         L::lowest(),
                         L::infinity(),
                         -L::infinity(),
                         L::quiet_NaN(),
                         -L::quiet_NaN(),
                         L::signaling_NaN(),
                         T{0.5},
                         T{-2.5},
                         T{1}};
    std::uniform_real_distribution<T> mantissa(-1, 1);
    for (T& v : values)
      v = random() % 3 == 0 ? special[random() % std::size(special)]
                            : std::ldexp(mantissa(random), static_cast<int>(random() % 200) - 100);
  }
  return values;
}

}  // namespace detent::test
