// SPDX-License-Identifier: Apache-2.0
// What was measured, as validators judge it.
#include "validate/output_input.hpp"

#include <algorithm>
#include <cmath>

#include "built_in.hpp"
#include "outputs.hpp"
#include "support/catch.hpp"

using namespace detent;
using namespace detent::test;

namespace {

OutputEvaluation ran() {
  OutputEvaluation e;
  e.how = Evaluated::artifact;
  e.exact = true;
  e.result.samples = 40;
  e.result.judged = 39;
  e.result.all = {0, 31.5, 0.25, 0.999, 0.99, 0.95};
  e.result.accuracy_before = 0.9;
  e.result.accuracy_after = 0.8;
  e.result.non_finite = 3;
  e.intended.samples = 16;
  e.intended.all.sqnr_db = 120;
  return e;
}

std::vector<Finding> judged(const char* id, const OutputEvaluation& e) {
  Validator validator(built_in(PluginKind::validator, id), pool(), {.params = {}, .target = ""});
  return validator.check_output(output_input(e));
}

bool fails(const std::vector<Finding>& findings, const std::string& metric) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
    return f.metric == metric && f.severity == DETENT_FINDING_FAIL;
  });
}

}  // namespace

TEST_CASE("validators are told every number that was measured") {
  const OutputEvaluation e = ran();
  const detent_output_input in = output_input(e);
  CHECK(in.struct_size == sizeof in);
  CHECK(in.how == DETENT_OUTPUT_ARTIFACT);
  CHECK(in.exact == 1);
  CHECK(std::string(in.why).empty());
  CHECK(in.samples == 40);
  CHECK(in.judged == 39);
  CHECK(in.output_sqnr_db == 31.5);
  CHECK(in.max_abs_error == 0.25);
  CHECK(in.cosine_mean == 0.999);
  CHECK(in.cosine_min == 0.99);
  CHECK(in.top1_agreement == 0.95);
  CHECK(in.accuracy_before == 0.9);
  CHECK(in.accuracy_after == 0.8);
  CHECK(in.non_finite == 3);
  CHECK(in.intended_samples == 16);
  CHECK(in.intended_sqnr_db == 120);
  CHECK(std::string(in.intended_mismatch).empty());
}

TEST_CASE("what was not measured is unknown, with the reason") {
  OutputEvaluation e;
  e.why = "there are no calibration data";
  const detent_output_input in = output_input(e);
  CHECK(in.how == DETENT_OUTPUT_NONE);
  CHECK(std::string(in.why) == "there are no calibration data");
  CHECK(in.samples == 0);
  CHECK(in.intended_samples == 0);
  for (const double unknown :
       {in.output_sqnr_db, in.max_abs_error, in.cosine_mean, in.cosine_min, in.top1_agreement,
        in.accuracy_before, in.accuracy_after, in.intended_sqnr_db})
    CHECK(std::isnan(unknown));
  e.how = Evaluated::failed;
  CHECK(output_input(e).how == DETENT_OUTPUT_FAILED);
  e.how = Evaluated::simulated;
  CHECK(output_input(e).how == DETENT_OUTPUT_SIMULATED);
}

TEST_CASE("the built-in validators judge a program that is not what was intended") {
  OutputEvaluation e = ran();
  e.result.non_finite = 0;
  CHECK_FALSE(fails(judged("roundtrip", e), "program_sqnr_db"));
  CHECK(fails(judged("accuracy", e), "accuracy_drop"));
  e.intended.all.sqnr_db = 2;
  CHECK(fails(judged("roundtrip", e), "program_sqnr_db"));
}
