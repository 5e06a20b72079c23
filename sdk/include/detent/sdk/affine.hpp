// SPDX-License-Identifier: Apache-2.0
// put_affine: from the ranges that an observer found to the "scale" and "zero_point" that it owes.
// The arithmetic, and what it promises, are in c/affine.h.
#pragma once
#include "../c/affine.h"
#include "exchange.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

using Affine = detent_affine;

// An infinite end counts as the largest number. Requires target.qmin < target.qmax and target.qmax
// > 0.
inline Affine choose_affine(double lo, double hi, const detent_qspec& target) noexcept {
  return detent_choose_affine(lo, hi, &target);
}

// One scale and, unless the target is symmetric and signed, one zero point for each [lo[i], hi[i]].
inline Status put_affine(const Sink& out, const detent_qspec& target,
                         const std::vector<int64_t>& shape, const std::vector<double>& lo,
                         const std::vector<double>& hi) {
  const char* why = nullptr;
  const int32_t code = detent_put_affine(out.raw(), &target, static_cast<int32_t>(shape.size()),
                                         shape.data(), lo.size(), lo.data(), hi.data(), &why);
  return why == nullptr ? Status(code) : Status(code, why);
}

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
