// SPDX-License-Identifier: Apache-2.0
// accuracy: judges the quantized model by its own output on the calibration samples.
//
//   accuracy_drop = 100 (accuracy before - accuracy after), in percentage points
//
// FAIL      the drop is above max_drop; cosine_min, top1_agreement or output_sqnr_db is below the
//           limit that was given for it; the output has values that are not finite where the
//           original's are; the artefact does not run
// WARN      nothing could be judged, or a limit was given for a number that is not known
// Units     accuracies and agreement are shares, 0..1; NaN is "not known". Of n samples one is
//           100/n points: with the usual 150 the default of one point allows one more mistake
#include <cmath>
#include <limits>
#include <string>

#include "../common/built_in.hpp"
#include "../common/text.hpp"
#include <detent/sdk/library.hpp>

namespace detent::validators {
namespace {

constexpr double kNotGiven = std::numeric_limits<double>::quiet_NaN();

class Accuracy final : public BuiltIn {
 public:
  static constexpr const char* id = "accuracy";
  static constexpr const char* name = "Accuracy";
  static constexpr const char* description =
      "The model's own output before and after: accuracy where targets are known, cosine, top-1 "
      "agreement and SQNR";
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "max_drop": {"type": "number", "minimum": 0, "maximum": 100, "default": 1.0,
                   "description": "most percentage points of accuracy that may be lost"},
      "min_cosine": {"type": "number", "minimum": -1, "maximum": 1,
                     "description": "least cosine similarity that a sample's output may have; absent: not judged"},
      "min_top1_agreement": {"type": "number", "minimum": 0, "maximum": 1,
                             "description": "least share of equal top classes; absent: not judged"},
      "min_output_sqnr_db": {"type": "number",
                             "description": "least SQNR of the output; absent: not judged"}}})";

  explicit Accuracy(const sdk::Config& config)
      : max_drop_(config.params.get("/max_drop", 1.0)),
        min_cosine_(config.params.get("/min_cosine", kNotGiven)),
        min_top1_(config.params.get("/min_top1_agreement", kNotGiven)),
        min_sqnr_(config.params.get("/min_output_sqnr_db", kNotGiven)) {}

  sdk::Status check(const detent_check_input&, const sdk::Findings&, const sdk::Call&) override {
    return {};
  }

  sdk::Status check_output(const detent_output_input& in, const sdk::Findings& out) override {
    if (in.how == DETENT_OUTPUT_FAILED)
      return out.report({"output_evaluated", 0, DETENT_FINDING_FAIL,
                         std::string("the artefact does not run: ") + in.why});
    if (in.how == DETENT_OUTPUT_NONE || in.samples == 0)
      return out.report({"output_evaluated", 0, DETENT_FINDING_WARN,
                         std::string("there is no output to judge: ") + in.why});
    for (const sdk::Finding& finding :
         {samples(in), finite(in), accuracy("accuracy_before", in.accuracy_before),
          accuracy("accuracy_after", in.accuracy_after), drop(in),
          limited({"cosine_min", in.cosine_min}, min_cosine_, 6),
          limited({"top1_agreement", in.top1_agreement}, min_top1_, 4),
          limited({"output_sqnr_db", in.output_sqnr_db}, min_sqnr_, 2)})
      if (!nothing_to_say(finding))
        if (const sdk::Status s = out.report(finding); !s.ok()) return s;
    return {};
  }

 private:
  // A number that is not known and that nobody asked for.
  static bool nothing_to_say(const sdk::Finding& f) {
    return std::isnan(f.value) && f.severity == DETENT_FINDING_INFO;
  }

  sdk::Finding samples(const detent_output_input& in) const {
    sdk::Finding finding{"samples", static_cast<double>(in.samples)};
    const bool limits =
        !std::isnan(min_cosine_) || !std::isnan(min_top1_) || !std::isnan(min_sqnr_);
    if (std::isnan(in.accuracy_after) && !limits) {
      finding.severity = DETENT_FINDING_WARN;
      finding.message =
          "the calibration data have no targets that fit the model's output, so accuracy is not "
          "judged; add targets, or give min_cosine, min_top1_agreement or min_output_sqnr_db";
    }
    return finding;
  }

  static sdk::Finding finite(const detent_output_input& in) {
    if (in.non_finite == 0) return {"non_finite", 0};
    return {"non_finite", static_cast<double>(in.non_finite), DETENT_FINDING_FAIL,
            counted(in.non_finite, "value") +
                " of the output are not finite (NaN or Inf) where the original's are"};
  }

  static sdk::Finding accuracy(const char* metric, double value) { return {metric, value}; }

  sdk::Finding drop(const detent_output_input& in) const {
    // Counts of right answers, so that "one point" means what it says whatever a double holds.
    const double n = static_cast<double>(in.judged);
    const double lost = std::round((in.accuracy_before - in.accuracy_after) * n);
    const double points = 100 * lost / n;
    sdk::Finding finding{"accuracy_drop", points, DETENT_FINDING_INFO, "", max_drop_};
    if (points > max_drop_) {
      finding.severity = DETENT_FINDING_FAIL;
      finding.message = "accuracy fell from " + decimal(100 * in.accuracy_before) + " % to " +
                        decimal(100 * in.accuracy_after) + " % on " + counted(in.judged, "target") +
                        ", by more than " + decimal(max_drop_) +
                        " points; use more bits, another observer, or keep the layers with the "
                        "lowest output SQNR";
    }
    return finding;
  }

  // The number against its limit, if there is one. Rounded down: "0.99, below 0.99" is a riddle.
  static sdk::Finding limited(sdk::Finding finding, double limit, int digits) {
    if (std::isnan(limit)) return finding;
    finding.threshold = limit;
    const double unit = std::pow(10, digits);
    const std::string metric = finding.metric;
    if (std::isnan(finding.value)) {
      finding.severity = DETENT_FINDING_WARN;
      finding.message = metric + " cannot be judged: this model has no output that gives one";
    } else if (finding.value < limit) {
      finding.severity = DETENT_FINDING_FAIL;
      finding.message =
          metric + " is " + decimal(std::floor(finding.value * unit) / unit, digits) + ", below " +
          decimal(limit, digits) +
          "; use more bits, another observer, or keep the layers with the lowest output SQNR";
    }
    return finding;
  }

  double max_drop_;
  double min_cosine_;
  double min_top1_;
  double min_sqnr_;
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::Accuracy);
