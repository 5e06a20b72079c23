// SPDX-License-Identifier: Apache-2.0
// @ID@: the largest error of every quantized tensor, relative to its largest magnitude.
//
//   relative_error = max|x - x'| / max|x|
//
//   above fail_above: FAIL     above warn_above: WARN     otherwise: INFO
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

class RelativeError final : public sdk::Validator {
 public:
  static constexpr const char* id = "@ID@";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "@NAME@";
  static constexpr const char* description =
      "Largest error of every quantized tensor, relative to its largest magnitude";
  static constexpr const char* vendor = "@VENDOR@";
  static constexpr const char* license = "Apache-2.0";
  // Promises: the same findings each time, and a tensor may come in blocks of rows.
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  // The error is measured by the host; max|x| takes a look at the original.
  static constexpr const char* requirements[] = {DETENT_NEEDS_ORIGINAL, nullptr};
  static constexpr const char* schema = R"json({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "warn_above": {
        "type": "number",
        "minimum": 0,
        "default": 0.1,
        "description": "A larger relative error is a warning."
      },
      "fail_above": {
        "type": "number",
        "minimum": 0,
        "default": 0.5,
        "description": "A larger one fails the validation."
      }
    }
  })json";

  explicit RelativeError(const sdk::Config& config)
      : warn_(config.params.get("/warn_above", 0.1)), fail_(config.params.get("/fail_above", 0.5)) {
    if (warn_ > fail_)
      throw sdk::Error(DETENT_E_PARAMS,
                       "warn_above is larger than fail_above\nuse a warn_above of at most " +
                           std::to_string(fail_));
  }

  // Once for each block of rows of a tensor; the host's measurements come with the last one.
  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call& call) override {
    if (input.first_row == 0) largest_ = 0;
    if (input.is_quantized == 0) return {};
    if (input.original == nullptr)
      return {DETENT_E_INVALID_ARG, "@ID@ requires the original, and was not given it"};
    uint64_t seen = 0;
    bool stop = false;
    const bool known = sdk::TensorView(*input.original).for_each(-1, [&](double value, int64_t) {
      if (std::isfinite(value)) largest_ = std::max(largest_, std::fabs(value));
      stop = ++seen % 65536 == 0 && call.cancelled();
      return !stop;
    });
    if (stop) return {DETENT_E_CANCELLED};
    if (!known) return {DETENT_E_UNSUPPORTED, "@ID@ cannot read elements of this dtype"};
    if (input.last == 0 || input.metrics == nullptr) return {};
    return out.report(judge(input.target, relative(input.metrics->max_abs_error)));
  }

  sdk::Status finish(const detent_run_summary&, const sdk::Findings& out) override {
    return judged_ == 0 ? sdk::Status() : out.report({"relative_error_max", worst_});
  }

 private:
  // Of zeros only: no error is none, any other is infinitely large.
  double relative(double error) const {
    if (largest_ > 0) return error / largest_;
    return error == 0 ? 0 : std::numeric_limits<double>::infinity();
  }

  sdk::Finding judge(const char* target, double error) {
    ++judged_;
    worst_ = error > worst_ || std::isnan(error) ? error : worst_;
    if (error <= warn_) return {"relative_error", error, DETENT_FINDING_INFO, "", warn_};
    const bool fails = !(error <= fail_);  // so does NaN: what cannot be measured
    const double threshold = fails ? fail_ : warn_;
    return {"relative_error", error, fails ? DETENT_FINDING_FAIL : DETENT_FINDING_WARN,
            "the largest error of \"" + std::string(target) + "\" is " + std::to_string(error) +
                " of its largest magnitude, above " + std::to_string(threshold) +
                ": use more bits or smaller groups, or keep this layer",
            threshold};
  }

  double warn_;
  double fail_;
  double largest_ = 0;  // of the tensor whose blocks are coming
  double worst_ = 0;
  uint64_t judged_ = 0;
};

}  // namespace

DETENT_LIBRARY(RelativeError);
