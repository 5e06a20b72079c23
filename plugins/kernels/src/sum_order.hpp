// SPDX-License-Identifier: Apache-2.0
// kErrorSums, add_pairwise: the order in which every sum of errors is added up, on every target.
#pragma once
#include <cstddef>

namespace detent::kernels {

// Element i goes into sum i % kErrorSums. A power of two: no vector of doubles is wider.
inline constexpr std::size_t kErrorSums = 8;

inline double add_pairwise(const double (&s)[kErrorSums]) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

}  // namespace detent::kernels
