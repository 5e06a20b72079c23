// SPDX-License-Identifier: Apache-2.0
// choose_affine: the scale and zero point that map a range of real numbers to integer codes.
#pragma once
#include <cstdint>
#include <limits>

namespace detent::kernels {

// The smallest and the largest of the finite values seen so far.
struct Range {
  double lo = std::numeric_limits<double>::infinity();
  double hi = -std::numeric_limits<double>::infinity();

  // Nothing was seen.
  bool empty() const noexcept { return !(lo <= hi); }
  void include(double value) noexcept {
    if (value < lo) lo = value;
    if (value > hi) hi = value;
  }
  void include(const Range& other) noexcept {
    if (other.lo < lo) lo = other.lo;
    if (other.hi > hi) hi = other.hi;
  }
};

// The codes allowed, both ends included: -128..127, -127..127, 0..255, -8..7.
struct Codes {
  std::int32_t min;
  std::int32_t max;
};

// real = scale * (code - zero_point)
struct AffineParams {
  float scale;
  std::int32_t zero_point;
};

enum class Mapping { asymmetric, symmetric };

// Where the scale and the zero point of other software differ. The default is Detent's own rule;
// see the DETENT_AFFINE_ flags in detent/abi/base.h.
struct AffineRule {
  bool half_range = false;       // symmetric scale = max(-lo, hi) / ((codes.max - codes.min) / 2)
  bool round_lo_first = false;   // zero_point = codes.min - round(lo / scale)
  bool float32 = false;          // every step, the zero point from the rounded scale
  bool floor_zero_only = false;  // min_scale is the scale of a zero range and nothing else
  double min_scale = 0;          // 0: none; otherwise a normal float32 that no scale is below

  bool operator==(const AffineRule&) const = default;
};

// The smallest range that holds `range` and zero; [0, 0] for an empty one.
Range widen_to_zero(const Range& range) noexcept;

// Widens [min, max] to hold zero, so that zero has an exact code, and maps it to `codes`.
//
//   asymmetric         scale = (hi - lo) / (codes.max - codes.min)
//                      zero_point = clamp(round(codes.min - lo / scale)), ties to even
//   symmetric, signed  scale = max(-lo, hi) / codes.max, zero_point 0. int8 divides by 127, with
//                      codes -127..127 and -128..127 alike (torch.ao: by 127.5); int4 by 7.
//   symmetric, others  (codes.min >= 0) zero_point is the middle, 128 for 0..255, and scale =
//                      max(-lo, hi) / (codes.max - zero_point)
//
// Rounding  All in float64; the zero point comes from the scale before that is rounded to float32.
// Special   A scale below the smallest normal float32 counts as a zero range: scale 1, and the zero
//           point 0 moved into the codes (symmetric: the mapping's own), so zeros stay exact zeros.
//           The scale is finite for every finite range, and so is what every code stands for: it
//           saturates where the farthest code is the largest float32, less a relative 2^-22. An
//           empty range (min > max, or NaN) counts as a zero range. An infinite end counts as the
//           largest float64.
// Rule      what AffineRule says goes before the above; the last paragraph holds under every rule
// Requires  codes.min < codes.max, codes.max > 0
AffineParams choose_affine(double min, double max, Codes codes, Mapping mapping,
                           const AffineRule& rule = {}) noexcept;

inline AffineParams choose_affine(double min, double max, Codes codes, bool symmetric,
                                  const AffineRule& rule = {}) noexcept {
  return choose_affine(min, max, codes, symmetric ? Mapping::symmetric : Mapping::asymmetric, rule);
}

// What max(-lo, hi) of a symmetric range is divided by.
double symmetric_divisor(Codes codes, const AffineRule& rule) noexcept;

}  // namespace detent::kernels
