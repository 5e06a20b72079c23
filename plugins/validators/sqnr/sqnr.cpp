// SPDX-License-Identifier: Apache-2.0
// sqnr: judges every quantized tensor by the signal-to-quantization-noise ratio that the host
// measured.
//
//   below critical_db: FAIL     from there to below warn_db: WARN     otherwise: INFO
//
// Units     decibels; +inf when the dequantized values equal the original ones
// Special   NaN (a tensor that cannot be measured) fails; the mean is over the finite values, +inf
//           when there is none
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "../common/built_in.hpp"
#include "../common/text.hpp"
#include <detent/sdk/library.hpp>

namespace detent::validators {
namespace {

class Sqnr final : public BuiltIn {
 public:
  static constexpr const char* id = "sqnr";
  static constexpr const char* name = "SQNR";
  static constexpr const char* description =
      "Signal-to-quantization-noise ratio of every quantized tensor, against two thresholds";
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "critical_db": {"type": "number", "default": 10, "description": "below this, validation fails"},
      "warn_db": {"type": "number", "default": 20, "description": "below this, a warning"}}})";

  explicit Sqnr(const sdk::Config& config)
      : critical_(config.params.get("/critical_db", 10.0)),
        warn_(config.params.get("/warn_db", 20.0)) {
    if (warn_ < critical_)
      throw sdk::Error(DETENT_E_PARAMS, "warn_db " + decimal(warn_) + " is below critical_db " +
                                            decimal(critical_) + "\nuse a warn_db of at least " +
                                            decimal(critical_));
  }

  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call&) override {
    if (!is_quantized(input) || input.metrics == nullptr) return {};
    const double db = input.metrics->sqnr_db;
    ++measured_;
    lowest_ = std::isnan(db) ? lowest_ : std::min(lowest_, db);
    if (std::isfinite(db)) sum_ += db, ++finite_;
    return out.report(judge(input.target, db));
  }

  sdk::Status finish(const detent_run_summary&, const sdk::Findings& out) override {
    if (measured_ == 0) return {};
    const double mean = finite_ != 0 ? sum_ / static_cast<double>(finite_)
                                     : std::numeric_limits<double>::infinity();
    if (const sdk::Status s = out.report({"sqnr_db_mean", mean}); !s.ok()) return s;
    return out.report({"sqnr_db_min", lowest_});
  }

 private:
  sdk::Finding judge(const char* target, double db) const {
    // Rounded down: "10.00 dB, below 10.00" would be a riddle.
    const std::string what =
        "SQNR of " + quoted(target) + " is " + decimal(std::floor(db * 100) / 100) + " dB, below ";
    if (!(db >= critical_))
      return {
          "sqnr_db", db, DETENT_FINDING_FAIL,
          what + decimal(critical_) +
              ": a significant loss of accuracy is likely; use more bits, a smaller group_size, "
              "or keep this layer",
          critical_};
    if (db < warn_)
      return {"sqnr_db", db, DETENT_FINDING_WARN,
              what + decimal(warn_) +
                  ": accuracy may suffer; evaluate the model on its task, or use more bits",
              warn_};
    return {"sqnr_db", db, DETENT_FINDING_INFO, "", warn_};
  }

  double critical_;
  double warn_;
  double lowest_ = std::numeric_limits<double>::infinity();
  double sum_ = 0;
  uint64_t finite_ = 0;
  uint64_t measured_ = 0;
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::Sqnr);
