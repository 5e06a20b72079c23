// SPDX-License-Identifier: Apache-2.0
// One tensor through its observer and quantizer, and what came of it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "model/model.hpp"
#include "plan/plan.hpp"
#include "quantize/importance.hpp"
#include "quantize/measure.hpp"

namespace detent {

// The scales that were stored, over all channels or groups.
struct ScaleSummary {
  double min = 0;
  double max = 0;
  double mean = 0;
  std::uint64_t count = 0;
};

struct TensorResult {
  QuantizationError error;  // of the dequantized values
  std::optional<QuantizationError>
      rounding;  // of plain rounding; none where there is no such thing
  // The same, each square times the importance of its element; none where nobody asked for it.
  std::optional<QuantizationError> weighted;
  std::optional<QuantizationError> weighted_rounding;
  std::optional<ScaleSummary> scale;  // none for casts
  std::uint64_t overflows = 0;        // values beyond the target's range, as the quantizer counted
};

// Quantizes `weight` into `out` as planned, dequantizes it again and measures the error. inputs:
// what is known of what goes into the weight's operators.
//
// Errors  Error{quantization}: values that are not finite, a refusal; Error{plugin}: a broken
//         contract. Each names the tensor and the plugin.
TensorResult quantize_tensor(const TensorPlan& plan, const TensorInfo& info,
                             const HostTensor& weight, ThreadPool& pool, TensorStore& out,
                             const InputStatistics& inputs = {});

}  // namespace detent
