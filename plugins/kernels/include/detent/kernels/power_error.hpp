// SPDX-License-Identifier: Apache-2.0
// power_error: what a mapping costs in another norm than squares, and where elements count
// unequally.
//
//   sum of importance[i] * (|x[i] - x'[i]| / unit)^power
//
// x' is what dequantize_affine makes of quantize_affine's codes.
//
// Shapes    x has any number of elements, importance as many; without importance each counts 1
// Rounding  float64. Element i goes into sum i % 8 and those are added pairwise, on every target.
//           The powers 1, 2 and 3 are products, the others power_ref: no function of the C library,
//           whose last bits differ between versions and CPUs
// Special   an error of zero costs zero
// Errors    none. Requires finite x, what quantize_affine requires, finite importance >= 0, power
//           above 0 and at most 8, unit a power of two
// Truth     power_error_ref; every SIMD target gives the same bits
#pragma once
#include <span>

#include "detent/kernels/affine.hpp"

namespace detent::kernels {

struct ErrorNorm {
  double power;
  double unit;  // of x: keeps |e|^power away from the ends of float64
};

// importance may be nullptr.
double power_error(std::span<const float> x, const double* importance, AffineParams params,
                   Codes codes, ErrorNorm norm);
double power_error_ref(std::span<const float> x, const double* importance, AffineParams params,
                       Codes codes, ErrorNorm norm);

// base^power = 2^(power * log2(base)) from additions, products and one division in a fixed order:
// log2 by the series of artanh, 2^f by Taylor's. Within 1e-12 (relative) of the exact value where
// that is between 2^-1022 and 2^1022; beyond it stays at these ends. 0^power is 0.
//
// Requires  base zero or a normal float64, power as above
double power_ref(double base, double power);

}  // namespace detent::kernels
