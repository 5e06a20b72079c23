// SPDX-License-Identifier: Apache-2.0
#include "floats.hpp"

#include <cmath>
#include <cstring>

namespace detent::validators {
namespace {

// A value whose exponent bits are all ones is NaN or infinite. Plain enough to be vectorised.
template <class Bits, Bits kExponent>
uint64_t count_compact(const char* bytes, int64_t n) {
  uint64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    Bits bits;
    std::memcpy(&bits, bytes + i * static_cast<int64_t>(sizeof bits), sizeof bits);
    count += (bits & kExponent) == kExponent ? 1 : 0;
  }
  return count;
}

}  // namespace

uint64_t count_non_finite(const sdk::TensorView& x) {
  if (!sdk::is_floating_point(x.dtype())) return 0;
  if (!x.contiguous()) {
    uint64_t count = 0;
    x.for_each(-1, [&](double value, int64_t) { count += std::isfinite(value) ? 0 : 1; });
    return count;
  }
  switch (x.dtype()) {
    case DETENT_F32: return count_compact<uint32_t, 0x7F800000U>(x.bytes(), x.numel());
    case DETENT_F64: return count_compact<uint64_t, 0x7FF0000000000000U>(x.bytes(), x.numel());
    case DETENT_F16: return count_compact<uint16_t, 0x7C00U>(x.bytes(), x.numel());
    default: return count_compact<uint16_t, 0x7F80U>(x.bytes(), x.numel());
  }
}

uint64_t count_bad_scales(const sdk::TensorView& scales) {
  if (!sdk::is_floating_point(scales.dtype())) return static_cast<uint64_t>(scales.numel());
  uint64_t count = 0;
  scales.for_each(-1, [&](double s, int64_t) { count += std::isfinite(s) && s > 0 ? 0 : 1; });
  return count;
}

}  // namespace detent::validators
