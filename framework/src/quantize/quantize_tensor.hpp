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
#include "quantize/scales.hpp"

namespace detent {

struct TensorResult {
  QuantizationError error;  // of the dequantized values
  std::optional<QuantizationError>
      rounding;  // of plain rounding; none where there is no such thing
  // The same, each square times the importance of its element; none where nobody asked for it.
  std::optional<QuantizationError> weighted;
  std::optional<QuantizationError> weighted_rounding;
  std::optional<ScaleSummary> scale;  // none for casts
  std::uint64_t overflows = 0;        // values beyond the target's range, as the quantizer counted
  std::uint64_t dequantized_non_finite = 0;
};

// Quantizes `weight` into `out` as planned, dequantizes it again and measures the error. inputs:
// what is known of what goes into the weight's operators.
//
// Errors  Error{quantization}: values that are not finite, a refusal; Error{plugin}: a broken
//         contract. Each names the tensor and the plugin.
TensorResult quantize_tensor(const TensorPlan& plan, const TensorInfo& info,
                             const HostTensor& weight, ThreadPool& pool, TensorStore& out,
                             const InputStatistics& inputs = {});

// Error{quantization} when values of a weight that is to be quantized are not finite.
void refuse_non_finite(const TensorInfo& info, const NonFinite& found);

// Are the codes those of plain rounding, by what the scheme says of itself? There is nothing to
// compare them with then.
bool is_plain_rounding(const TensorPlan& plan);

// What a quantizer counted; 0 when it did not.
std::uint64_t count_from_meta(const TensorStore& out, const char* key);

}  // namespace detent
