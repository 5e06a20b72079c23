// SPDX-License-Identifier: Apache-2.0
#include "quantize/scales.hpp"

#include <algorithm>

namespace detent {

void ScaleTotals::add(const TensorStore& quantized) {
  const HostTensor* scale = quantized.find("scale");
  if (scale == nullptr || scale->dtype() != DETENT_F32) return;
  const auto* values = reinterpret_cast<const float*>(scale->bytes().data());
  for (std::uint64_t i = 0; i < scale->numel(); ++i) {
    const double value = values[i];
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
    sum_ += value;
  }
  count_ += scale->numel();
}

std::optional<ScaleSummary> ScaleTotals::summary() const {
  if (count_ == 0) return std::nullopt;
  return ScaleSummary{min_, max_, sum_ / static_cast<double>(count_), count_};
}

}  // namespace detent
