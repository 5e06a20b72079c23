// SPDX-License-Identifier: Apache-2.0
// WeightedSums: as ErrorSums, each square times the importance of its element.
#pragma once
#include <cstdint>
#include <span>

#include "quantize/importance.hpp"

namespace detent {

class WeightedSums {
 public:
  explicit WeightedSums(const Importance& importance) : importance_(importance) {}

  // Elements `from`, `from` + 1, ... of the original, and what became of them.
  template <class Reader>
  void add(const Reader& original, std::uint64_t from, std::span<const float> restored) {
    for (std::size_t k = 0; k < restored.size(); ++k) {
      const double x = original(from + k);
      const double y = double{restored[k]};
      const double weight = importance_[from + k];
      sums_.signal += weight * (x * x);
      sums_.noise += weight * ((x - y) * (x - y));
      sums_.restored += weight * (y * y);
      sums_.product += weight * (x * y);
    }
    sums_.elements += restored.size();
  }

  const QuantizationError& total() const { return sums_; }

 private:
  const Importance& importance_;
  QuantizationError sums_;
};

}  // namespace detent
