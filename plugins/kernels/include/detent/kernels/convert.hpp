// SPDX-License-Identifier: Apache-2.0
// convert: blocks of one floating-point type to another.
//
// Shapes    both sides have from.size() elements, perhaps none; they may not overlap
// Rounding  from 16 bits: exact. To float32 and to Half: to the nearest, ties to even, and once: a
//           double does not pass through a rounded float32 on its way to Half
// Special   infinities and the sign of zero are kept, subnormals are not flushed, NaN stays NaN;
//           as a Half it is 0x7E00 with the sign kept
// Errors    none. Neither side need be aligned to its element
// Truth     half_to_float_ref, float_to_half_ref; every SIMD target gives the same bits
#pragma once
#include <cstdint>
#include <span>

#include "detent/kernels/element.hpp"

namespace detent::kernels {

void to_float(std::span<const Half> from, float* to);
void to_float(std::span<const BFloat16> from, float* to);
// Beyond the largest float32 it is an infinity.
void to_float(std::span<const double> from, float* to);

// What becomes of values beyond +-65504, the largest Half. (Those up to 65520 round to 65504
// anyhow.)
enum class HalfOverflow { infinity, clamp };

// The number of values with a magnitude above 65504, infinities included, NaN not.
std::uint64_t to_half(std::span<const float> from, HalfOverflow overflow, Half* to);
std::uint64_t to_half(std::span<const double> from, HalfOverflow overflow, Half* to);

float half_to_float_ref(Half from);
Half float_to_half_ref(float from);

}  // namespace detent::kernels
