// SPDX-License-Identifier: Apache-2.0
#include "calibrate/channel_view.hpp"

#include <fmt/format.h>

namespace detent {

ChannelView::ChannelView(const detent_tensor& x, const StatisticPlan& statistic) : view_(x) {
  if (x.nbytes == 0) return;  // the product of its other extents may be anything
  const auto inner = static_cast<std::int32_t>(statistic.inner);
  const std::int32_t at = x.ndim - 1 - inner;
  if (at < 0)
    throw Error(ErrorCode::quantization,
                fmt::format("an input of {} at \"{}\" has {} dimensions, too few for channels",
                            statistic.op, statistic.weight, x.ndim),
                "keep the layer, or choose what looks at weights alone",
                {.tensor = statistic.weight, .layer = statistic.layer});
  for (std::int32_t d = 0; d < x.ndim; ++d) shape_[d < at ? 0 : d == at ? 1 : 2] *= x.shape[d];
  strides_ = {shape_[1] * shape_[2], shape_[2], 1};
  view_.ndim = 3;
  view_.shape = shape_.data();
  view_.strides = strides_.data();
}

}  // namespace detent
