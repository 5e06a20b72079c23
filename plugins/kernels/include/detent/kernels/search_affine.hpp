// SPDX-License-Identifier: Apache-2.0
// search_affine: the scale and zero point, near given ones, that quantize these values best.
//
//   minimum over the candidates of squared_error(x, candidate, codes)
//
// The candidates: `start`, and the mappings of the range that it spans with the ends moved, over a
// grid from 50 % to 112.5 % and then twice over a finer one around the best so far. Symmetric
// mappings have one end to move. All but `start` follow the rule.
//
// Shapes    x has any number of elements
// Rounding  a candidate wins by more than 1e-9 of the error only, so whoever adds up the errors in
//           another order does not find it worse than `start`; the first of equals wins
// Special   of no elements, or with an exact `start`, the result is `start`
// Cost      about 50 (symmetric) or 150 (asymmetric) times quantize_affine
// Errors    none. Requires finite x and what quantize_affine requires
#pragma once
#include <span>

#include "detent/kernels/affine.hpp"

namespace detent::kernels {

AffineParams search_affine(std::span<const float> x, AffineParams start, Codes codes,
                           Mapping mapping, const AffineRule& rule = {});

}  // namespace detent::kernels
