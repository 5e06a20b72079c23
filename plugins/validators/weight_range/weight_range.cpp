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

// Codes in a row of 4-bit codes that are stored in `row_bytes` bytes: what fits the number of
// elements of the original; two to a byte when neither length does.
int64_t packed_row_length(const sdk::TensorView& bytes, int64_t elements) {
  const int64_t row_bytes = bytes.ndim() == 0 ? 1 : bytes.size(bytes.ndim() - 1);
  if (row_bytes == 0) return 0;
  const int64_t rows = bytes.numel() / row_bytes;
  return rows * (2 * row_bytes - 1) == elements ? 2 * row_bytes - 1 : 2 * row_bytes;
}

class WeightRange final : public BuiltIn {
 public:
  static constexpr const char* id = "weight_range";
  static constexpr const char* aliases[] = {"range", nullptr};
  static constexpr const char* name = "Weight range";
  static constexpr const char* description =
      "Codes within their range, scales finite and positive, no NaN or infinity in what is stored";
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
    ++tensors_;
    if (!is_quantized(input)) return check_kept(input, out);
    const sdk::Source source(input.quantized);
    for (const sdk::Status& status :
         {check_codes(input, source, out), check_scale(input, source, out),
          check_zero_point(input, source, out), check_dequantized(input, out)})
      if (!status.ok()) return status;
    return {};
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

  sdk::Status check_kept(const detent_check_input& input, const sdk::Findings& out) const {
    const bool found = input.n_stored != 0 && input.stored[0].data != nullptr;
    const sdk::TensorView x(found ? *input.stored[0].data : *input.original);
    const uint64_t bad = judge_kept_ ? count_non_finite(x) : 0;
    return report(out, "kept_non_finite", bad,
                  counted(bad, "value") + " of kept tensor " + quoted(input.target) +
                      " NaN or infinite; the original model has them too",
                  kept_severity_);
  }

  static sdk::Status check_codes(const detent_check_input& input, const sdk::Source& source,
                                 const sdk::Findings& out) {
    const detent_tensor* codes = source.get("qweight");
    if (codes == nullptr) return {};  // a scheme without codes of that name
    const sdk::TensorView view(*codes);
    if (sdk::is_floating_point(view.dtype())) {
      const uint64_t bad = count_non_finite(view);
      return report(out, "codes_non_finite", bad,
                    counted(bad, "stored value") + " of " + quoted(input.target) +
                        " NaN or infinite; clamp them, or keep this layer");
    }
    if (input.qspec == nullptr) return {};
    const detent_qspec& q = *input.qspec;
    const CodeRange range{q.qmin, q.qmax};
    const bool packed = DETENT_DTYPE_BITS(q.qdtype) == 4 && view.dtype() == DETENT_U8;
    const uint64_t bad =
        packed ? count_packed_outside(
                     view, q.qdtype == DETENT_I4,
                     packed_row_length(view, sdk::TensorView(*input.original).numel()), range)
               : count_outside(view, range);
    return report(out, "codes_out_of_range", bad,
                  counted(bad, "code") + " of " + quoted(input.target) + " outside " + text(range) +
                      "; the quantizer broke its own target");
  }

  static sdk::Status check_scale(const detent_check_input& input, const sdk::Source& source,
                                 const sdk::Findings& out) {
    const detent_tensor* scale = source.get("scale");
    if (scale == nullptr) return {};  // plain casts have none
    const uint64_t bad = count_bad_scales(sdk::TensorView(*scale));
    return report(out, "scale_invalid", bad,
                  counted(bad, "scale") + " of " + quoted(input.target) +
                      " not finite and positive: nothing can be computed with it");
  }

  static sdk::Status check_zero_point(const detent_check_input& input, const sdk::Source& source,
                                      const sdk::Findings& out) {
    const detent_tensor* zero = source.get("zero_point");
    if (zero == nullptr || input.qspec == nullptr) return {};
    const CodeRange range{input.qspec->qmin, input.qspec->qmax};
    const sdk::TensorView view(*zero);
    const uint64_t bad =
        sdk::is_floating_point(view.dtype()) ? count_non_finite(view) : count_outside(view, range);
    return report(out, "zero_point_out_of_range", bad,
                  counted(bad, "zero point") + " of " + quoted(input.target) + " outside " +
                      text(range) + ": zero would not be represented exactly");
  }

  static sdk::Status check_dequantized(const detent_check_input& input, const sdk::Findings& out) {
    if (input.dequantized == nullptr) return {};
    const uint64_t bad = count_non_finite(sdk::TensorView(*input.dequantized));
    return report(out, "dequantized_non_finite", bad,
                  counted(bad, "dequantized value") + " of " + quoted(input.target) +
                      " NaN or infinite; keep this layer or use another quantizer");
  }

  static std::string text(CodeRange range) {
    return "[" + std::to_string(range.min) + ", " + std::to_string(range.max) + "]";
  }

  bool judge_kept_ = true;
  int32_t kept_severity_ = DETENT_FINDING_WARN;
  uint64_t tensors_ = 0;
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::WeightRange);
