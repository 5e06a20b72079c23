// SPDX-License-Identifier: Apache-2.0
// The data of the observers' cases: 6 rows of 50, of different sizes.
#pragma once
#include <vector>

#include "conformance/input.hpp"
#include "conformance/subject.hpp"

namespace detent::conformance {

inline const Shape kShape = {6, 50};
inline constexpr std::size_t kElements = 300;

// Bell-shaped, multiples of 1/64.
inline std::vector<double> sample(const Subject& subject, double scale = 1,
                                  std::uint64_t salt = 0) {
  return Random(subject.seed() * 1000 + salt).bells(kElements, scale);
}

// Every row and column has another size, and positive values weigh more.
inline std::vector<double> uneven_sample(const Subject& subject) {
  std::vector<double> values = sample(subject, 1, 7);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto row = static_cast<double>(i / 50 + 1);
    const auto column = static_cast<double>(i % 50 % 7 + 1);
    values[i] = (values[i] + 0.5) * row * column;
  }
  return values;
}

}  // namespace detent::conformance
