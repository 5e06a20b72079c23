// SPDX-License-Identifier: Apache-2.0
// NearBounds: a scale as near_steps takes it.
#pragma once
#include <limits>

#include "detent/kernels/affine.hpp"

namespace detent::kernels {

// 1.5 * 2^23: a float32 that is added to it loses its fraction, ties to even, and has its integer
// in the lowest bits of the sum.
inline constexpr float kStepMagic = 12582912.0F;
// Twice what the roundings of 1 / scale, of the factor and of the quotient can add up to.
inline constexpr float kBelow = 1.0F - 0x1p-21F;
inline constexpr float kAbove = 1.0F + 0x1p-21F;
// Where 1 / scale and its products with ordinary values are normal numbers.
inline constexpr float kNearLeast = 0x1p-100F;
inline constexpr float kNearMost = 0x1p+100F;

struct NearBounds {
  float low;  // factors; NaN for scales that are not for near_steps: no lane is sure
  float high;
  float lowest;  // of the sums with kStepMagic
  float highest;
};

inline NearBounds near_bounds(AffineParams params, Codes codes) {
  const float inverse = 1.0F / params.scale;
  const bool usable = params.scale >= kNearLeast && params.scale <= kNearMost;
  return {usable ? inverse * kBelow : std::numeric_limits<float>::quiet_NaN(), inverse * kAbove,
          kStepMagic + static_cast<float>(codes.min - params.zero_point),
          kStepMagic + static_cast<float>(codes.max - params.zero_point)};
}

}  // namespace detent::kernels
