// SPDX-License-Identifier: Apache-2.0
// The constants of log2 and 2^x as sums of products, the same for vectors and for one element.
//
//   log2(m) = s * (c0 + c1 s^2 + c2 s^4 + ...)   s = (m - 1)/(m + 1), cj = 2 / ((2j + 1) ln 2)
//             m in [sqrt(1/2), sqrt(2)): s^2 < 0.0295, so ten terms leave 2e-17
//   2^f     = c0 + c1 f + c2 f^2 + ...           cj = ln(2)^j / j!
//             f in [-1/2, 1/2]: fourteen terms leave 5e-18
#pragma once
#include <cstdint>

namespace detent::kernels {

inline constexpr std::uint64_t kOneBits = 0x3FF0000000000000;       // of 1.0
inline constexpr std::uint64_t kRootHalfBits = 0x3FE6A09E667F3BCD;  // of sqrt(1/2)
inline constexpr std::uint64_t kTwo52Bits = 0x4330000000000000;     // of 2^52
inline constexpr std::uint64_t kExponentMask = 0xFFF0000000000000;
inline constexpr double kTwo52 = 0x1p52;
inline constexpr double kBias = 1023.0;
// Adding it leaves the integer nearest to x, ties to even, in the low bits of the sum.
inline constexpr double kRoundToInteger = 0x1.8p52;
inline constexpr double kLargestExponent = 1022.0;

inline constexpr double kLog2[] = {0x1.71547652b82fep+1, 0x1.ec709dc3a03fdp-1, 0x1.2776c50ef9bfep-1,
                                   0x1.a61762a7aded9p-2, 0x1.484b13d7c02a9p-2, 0x1.0c9a84994022dp-2,
                                   0x1.c68f568d31760p-3, 0x1.89f3b1694cffep-3, 0x1.5b9ac9b743f0dp-3,
                                   0x1.3703c1f4d0ffep-3};
inline constexpr double kExp2[] = {
    0x1.0000000000000p+0,  0x1.62e42fefa39efp-1,  0x1.ebfbdff82c58fp-3,  0x1.c6b08d704a0c0p-5,
    0x1.3b2ab6fba4e77p-7,  0x1.5d87fe78a6731p-10, 0x1.430912f86c787p-13, 0x1.ffcbfc588b0c7p-17,
    0x1.62c0223a5c824p-20, 0x1.b5253d395e7c4p-24, 0x1.e4cf5158b8ecap-28, 0x1.e8cac7351bb25p-32,
    0x1.c3bd650fc2986p-36, 0x1.816193166d0f9p-40};

}  // namespace detent::kernels
