// SPDX-License-Identifier: Apache-2.0
// ChannelView: an operator's input as [outer, channels, inner], whatever the operator.
#pragma once
#include <array>

#include "plan/plan.hpp"

namespace detent {

// Of a compact tensor that outlives the view. Behind its channels an input has as many dimensions
// as the statistic says; before them a batch, or none, or several.
//
// Errors  Error{quantization}: x has too few dimensions
class ChannelView {
 public:
  ChannelView(const detent_tensor& x, const StatisticPlan& statistic);
  ChannelView(const ChannelView&) = delete;
  ChannelView& operator=(const ChannelView&) = delete;

  bool empty() const { return view_.nbytes == 0; }  // then nothing else is to be asked
  std::int64_t channels() const { return shape_[1]; }
  const detent_tensor& tensor() const { return view_; }

 private:
  std::array<std::int64_t, 3> shape_{1, 1, 1};
  std::array<std::int64_t, 3> strides_{};
  detent_tensor view_{};
};

}  // namespace detent
