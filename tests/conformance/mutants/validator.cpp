// SPDX-License-Identifier: Apache-2.0
// Counts codes beyond their range and values that are not finite, with at most one fault.
#include <cmath>

#include <detent/sdk/library.hpp>
#include <detent/sdk/validator.hpp>

extern "C" {
#include "faults.h"
extern const detent_plugin mutant;
}

namespace {

using detent::sdk::Finding;
using detent::sdk::Findings;
using detent::sdk::Status;
using detent::sdk::TensorView;

uint64_t all_beyond;  // of ONE_COUNT

class Judge final : public detent::sdk::Validator {
 public:
  explicit Judge(const detent::sdk::Config&) { misbehave(); }

  Status check(const detent_check_input& in, const Findings& out,
               const detent::sdk::Call&) override {
    if (in.first_row == 0 && !IS(COUNTS_ON)) beyond_ = 0;
    const bool skipped = IS(IGNORES_LAST_BLOCK) && in.last != 0 && in.first_row != 0;
    if (in.quantized != nullptr && in.qspec != nullptr && !skipped) count(in);
    if (in.last == 0) return {};
    if (in.is_quantized == 0 && !IS(JUDGES_KEPT)) return {};
    if (in.qspec == nullptr)
      return pass_on(out.report({"codes", 0, DETENT_FINDING_FAIL, "it has no target"}));
    total_ += beyond_;
    all_beyond += beyond_;
    const Finding finding = judge(in);
    if (IS(COUNTS_ON)) beyond_ += 1;
    return pass_on(IS(OTHER_TARGET) ? other(in).report(finding) : out.report(finding));
  }

  Status check_output(const detent_output_input& in, const Findings& out) override {
    if (IS(NEEDS_OUTPUT) && in.how == DETENT_OUTPUT_NONE)
      return {DETENT_E_NOT_READY, "there is no output"};
    if (in.how == DETENT_OUTPUT_NONE || std::isnan(in.output_sqnr_db)) return {};
    return pass_on(out.report({"output_sqnr_db", in.output_sqnr_db}));
  }

  Status finish(const detent_run_summary&, const Findings& out) override {
    const uint64_t n = IS(ONE_COUNT) ? all_beyond : total_;
    return pass_on(out.report({"codes_beyond_in_all", static_cast<double>(n)}));
  }

 private:
  void count(const detent_check_input& in) {
    const detent_tensor* const codes = in.quantized->get(in.quantized, "qweight");
    if (codes == nullptr) return;
    TensorView(*codes).for_each(-1, [&](double code, int64_t) {
      beyond_ +=
          code < static_cast<double>(in.qspec->qmin) || code > static_cast<double>(in.qspec->qmax);
    });
  }

  Finding judge(const detent_check_input& in) {
    const uint64_t lost = in.metrics != nullptr ? in.metrics->dequantized_non_finite : 0;
    bool alarm = beyond_ + lost > 0 || IS(ALARMS_ALWAYS);
    if (IS(SILENT) || (IS(ALARMS_ONCE) && alarmed_)) alarm = false;
    alarmed_ = alarmed_ || alarm;
    const double nothing = IS(NAN_VALUE) ? std::nan("") : 0;
    Finding finding{"codes_beyond", beyond_ == 0 ? nothing : static_cast<double>(beyond_)};
    if (!alarm) return finding;
    finding.severity = DETENT_FINDING_FAIL;
    finding.message = "codes or values that nobody can compute with";
    if (IS(NOT_UTF8)) finding.message = "\xFF\xFE";
    return finding;
  }

  static Findings other(const detent_check_input& in);

  static Status pass_on(Status status) {
    if (IS(SWALLOWS_SINK)) return {};
    return status;
  }

  uint64_t beyond_ = 0;
  uint64_t total_ = 0;
  bool alarmed_ = false;
};

const detent_finding_sink* sink_of_call;  // OTHER_TARGET: Findings does not give it away

Findings Judge::other(const detent_check_input& in) {
  return {sink_of_call, in.n_stored != 0 ? "another.tensor" : in.target};
}

using Thunks = detent::sdk::detail::ValidatorThunks<Judge>;

int32_t check(detent_validator* v, const detent_call* c, const detent_check_input* in,
              const detent_finding_sink* sink) {
  sink_of_call = sink;
  return Thunks::check(v, c, in, sink);
}

constexpr detent_validator_vtbl make_table() {
  detent_validator_vtbl t = Thunks::vtbl;
  if (IS(OTHER_TARGET)) t.check = &check;
  return t;
}

const detent_validator_vtbl table = make_table();
const char* const needs[] = {DETENT_NEEDS_STORED, nullptr};

}  // namespace

const detent_plugin mutant = {sizeof(detent_plugin),
                              DETENT_KIND_VALIDATOR,
                              1,
                              DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
                              "mutant.validator",
                              IS(BAD_VERSION) ? "one" : "1.0.0",
                              "Mutant",
                              "Codes within their range, with at most one fault",
                              "",
                              "Apache-2.0",
                              R"({"type": "object", "additionalProperties": false})",
                              nullptr,
                              nullptr,
                              needs,
                              nullptr,
                              &table};
