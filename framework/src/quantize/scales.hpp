// SPDX-License-Identifier: Apache-2.0
// ScaleTotals: what is told of the scales that were stored, which may come in blocks.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>

#include "plugin/tensor_store.hpp"

namespace detent {

// The scales that were stored, over all channels or groups.
struct ScaleSummary {
  double min = 0;
  double max = 0;
  double mean = 0;
  std::uint64_t count = 0;
};

class ScaleTotals {
 public:
  // The float32 tensor "scale", if there is one. Added in the order of the elements.
  void add(const TensorStore& quantized);
  std::optional<ScaleSummary> summary() const;  // none for casts

 private:
  double min_ = std::numeric_limits<double>::infinity();
  double max_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace detent
