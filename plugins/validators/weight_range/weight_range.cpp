// SPDX-License-Identifier: Apache-2.0
// weight_range: are the stored numbers ones that can be computed with?
//
// FAIL      codes outside [qmin, qmax]; scales that are not finite and positive; zero points
// outside
//           the codes; NaN or infinity among stored floating-point codes or dequantized weights
// Kept      NaN or infinity in a floating-point tensor that was kept: as `kept_non_finite` says
#include <algorithm>
#include <string>

#include "../common/built_in.hpp"
#include "../common/text.hpp"
#include "codes.hpp"
#include "floats.hpp"
#include <detent/sdk/library.hpp>

namespace detent::validators {
namespace {

// Elements of one row: the tensor seen as a matrix of its first dimension and all others.
int64_t row_length(const detent_tensor_spec& tensor) {
  int64_t n = 1;
  for (int32_t d = tensor.ndim > 1 ? 1 : 0; d < tensor.ndim; ++d) n *= tensor.shape[d];
  return n;
}

// Of one tensor, over all blocks of its rows.
struct Counts {
  uint64_t codes_non_finite = 0;
  uint64_t codes_outside = 0;
  uint64_t bad_scales = 0;
  uint64_t bad_zero_points = 0;
};

class WeightRange final : public BuiltIn {
 public:
  static constexpr const char* id = "weight_range";
  static constexpr const char* aliases[] = {"range", nullptr};
  static constexpr const char* name = "Weight range";
  static constexpr const char* description =
      "Codes within their range, scales finite and positive, no NaN or infinity in what is stored";
  static constexpr uint64_t flags = BuiltIn::flags | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* requirements[] = {DETENT_NEEDS_STORED, nullptr};
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "kept_non_finite": {"type": "string", "enum": ["ignore", "warn", "error"], "default": "warn",
                          "description": "NaN or infinity in a tensor that is kept as it is"}}})";

  explicit WeightRange(const sdk::Config& config) {
    const std::string choice = config.params.get("/kept_non_finite", "warn");
    judge_kept_ = choice != "ignore";
    kept_severity_ = choice == "error" ? DETENT_FINDING_FAIL : DETENT_FINDING_WARN;
  }

  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call&) override {
    if (input.first_row == 0) counts_ = {};
    if (is_quantized(input) && input.quantized != nullptr) count(input);
    if (input.last == 0) return {};
    ++tensors_;
    return is_quantized(input) ? report_quantized(input, out) : report_kept(input, out);
  }

  sdk::Status finish(const detent_run_summary&, const sdk::Findings& out) override {
    return out.report({"tensors_in_range_checked", static_cast<double>(tensors_)});
  }

 private:
  // Reports nothing when count is 0.
  static sdk::Status report(const sdk::Findings& out, const char* metric, uint64_t count,
                            const std::string& message, int32_t severity = DETENT_FINDING_FAIL) {
    if (count == 0) return {};
    return out.report({metric, static_cast<double>(count), severity, message, 0});
  }

  sdk::Status report_kept(const detent_check_input& input, const sdk::Findings& out) const {
    const uint64_t bad =
        judge_kept_ && input.metrics != nullptr ? input.metrics->original_non_finite : 0;
    return report(out, "kept_non_finite", bad,
                  counted(bad, "value") + " of kept tensor " + quoted(input.target) +
                      " NaN or infinite; the original model has them too",
                  kept_severity_);
  }

  void count(const detent_check_input& input) {
    const sdk::Source source(input.quantized);
    // A scheme may have no codes of that name; plain casts have no scale.
    if (const detent_tensor* codes = source.get("qweight"); codes != nullptr)
      count_codes(input, sdk::TensorView(*codes));
    if (const detent_tensor* scale = source.get("scale"); scale != nullptr)
      counts_.bad_scales += count_bad_scales(sdk::TensorView(*scale));
    const detent_tensor* zero = source.get("zero_point");
    if (zero == nullptr || input.qspec == nullptr) return;
    const sdk::TensorView view(*zero);
    counts_.bad_zero_points += sdk::is_floating_point(view.dtype())
                                   ? count_non_finite(view)
                                   : count_outside(view, range_of(input));
  }

  void count_codes(const detent_check_input& input, const sdk::TensorView& codes) {
    if (sdk::is_floating_point(codes.dtype())) {
      counts_.codes_non_finite += count_non_finite(codes);
    } else if (input.qspec != nullptr) {
      const detent_qspec& q = *input.qspec;
      const bool packed = DETENT_DTYPE_BITS(q.qdtype) == 4 && codes.dtype() == DETENT_U8;
      counts_.codes_outside +=
          packed ? count_packed_outside(codes, q.qdtype == DETENT_I4, row_length(*input.tensor),
                                        range_of(input))
                 : count_outside(codes, range_of(input));
    }
  }

  sdk::Status report_quantized(const detent_check_input& input, const sdk::Findings& out) const {
    const std::string target = quoted(input.target);
    const std::string range = input.qspec != nullptr ? text(range_of(input)) : "";
    const uint64_t lost = input.metrics != nullptr ? input.metrics->dequantized_non_finite : 0;
    for (const sdk::Status& status :
         {report(out, "codes_non_finite", counts_.codes_non_finite,
                 counted(counts_.codes_non_finite, "stored value") + " of " + target +
                     " NaN or infinite; clamp them, or keep this layer"),
          report(out, "codes_out_of_range", counts_.codes_outside,
                 counted(counts_.codes_outside, "code") + " of " + target + " outside " + range +
                     "; the quantizer broke its own target"),
          report(out, "scale_invalid", counts_.bad_scales,
                 counted(counts_.bad_scales, "scale") + " of " + target +
                     " not finite and positive: nothing can be computed with it"),
          report(out, "zero_point_out_of_range", counts_.bad_zero_points,
                 counted(counts_.bad_zero_points, "zero point") + " of " + target + " outside " +
                     range + ": zero would not be represented exactly"),
          report(out, "dequantized_non_finite", lost,
                 counted(lost, "dequantized value") + " of " + target +
                     " NaN or infinite; keep this layer or use another quantizer")})
      if (!status.ok()) return status;
    return {};
  }

  static CodeRange range_of(const detent_check_input& input) {
    return {input.qspec->qmin, input.qspec->qmax};
  }

  static std::string text(CodeRange range) {
    return "[" + std::to_string(range.min) + ", " + std::to_string(range.max) + "]";
  }

  Counts counts_;  // of the tensor whose blocks are coming
  bool judge_kept_ = true;
  int32_t kept_severity_ = DETENT_FINDING_WARN;
  uint64_t tensors_ = 0;
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::WeightRange);
