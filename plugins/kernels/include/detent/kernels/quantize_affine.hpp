// SPDX-License-Identifier: Apache-2.0
// quantize_affine, dequantize_affine, squared_error: real values to codes and back, with one scale.
//
//   q[i] = clamp(round(x[i] / scale) + zero_point, codes.min, codes.max)
//   x[i] = (q[i] - zero_point) * scale
//
// Shapes    x and q have the same number of elements, perhaps none; they may not overlap
// Rounding  the quotient is that of a float32 IEEE division, never a product with the reciprocal
//           (which turns the tie 37.5 / 15 into 2.5000002); ties to even. On the way back the
//           float32 product of an exact integer
// Special   NaN gives zero_point, +Inf codes.max, -Inf codes.min; a quotient that overflows too
// Errors    none. T: float, double, Half or BFloat16; Code: int8_t or uint8_t.
//           Requires scale finite and >= the smallest normal float32, codes that the type
//           of q holds, zero_point in codes
// Truth     quantize_affine_ref, dequantize_affine_ref; every SIMD target gives the same bytes
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "detent/kernels/affine.hpp"
#include "detent/kernels/element.hpp"

namespace detent::kernels {

void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::int8_t* q);
void quantize_affine(std::span<const float> x, AffineParams params, Codes codes, std::uint8_t* q);
// The same of what to_float makes of x; x need not be aligned to its element.
template <class T, class Code>
void quantize_affine(const T* x, std::size_t n, AffineParams params, Codes codes, Code* q);

void dequantize_affine(std::span<const std::int8_t> q, AffineParams params, float* x);
void dequantize_affine(std::span<const std::uint8_t> q, AffineParams params, float* x);

// The sum of (x[i] - x'[i])^2 in float64, x' what dequantize_affine makes of quantize_affine's
// codes. x must be finite. Element i goes into sum i % 8 and those are added pairwise, on every
// target.
double squared_error(std::span<const float> x, AffineParams params, Codes codes);

std::int32_t quantize_affine_ref(float x, AffineParams params, Codes codes);
float dequantize_affine_ref(std::int32_t q, AffineParams params);
double squared_error_ref(std::span<const float> x, AffineParams params, Codes codes);

}  // namespace detent::kernels
