// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "support/catch.hpp"
#include "validating.hpp"

using namespace validating;

namespace {

const double kNan = std::nan("");

// The severity of that metric.
int32_t severity(const detent_output_input& in, const std::string& metric,
                 testing::Params::List params = {}, const char* says = "") {
  Validator v("accuracy", std::move(params));
  REQUIRE(v.check_output(in) == DETENT_OK);
  CHECK(contains(v.findings.at(metric).message, says));
  return v.findings.at(metric).severity;
}

std::size_t failures(const detent_output_input& in, testing::Params::List params = {}) {
  Validator v("accuracy", std::move(params));
  REQUIRE(v.check_output(in) == DETENT_OK);
  return v.count(DETENT_FINDING_FAIL);
}

// 1000 targets, so that a tenth of a point is one of them.
detent_output_input dropped(double before, double after) {
  detent_output_input in = output();
  in.judged = 1000;
  in.accuracy_before = before;
  in.accuracy_after = after;
  return in;
}

}  // namespace

TEST_CASE("accuracy may fall by one point and not by more", "[accuracy]") {
  // 0.97 - 0.96 is more than 0.01 in doubles
  CHECK(severity(dropped(0.97, 0.96), "accuracy_drop") == DETENT_FINDING_INFO);
  CHECK(severity(dropped(0.97, 0.959), "accuracy_drop", {}, "from 97.00 % to 95.90 %") ==
        DETENT_FINDING_FAIL);
  CHECK(severity(dropped(0.9, 0.95), "accuracy_drop") == DETENT_FINDING_INFO);
  CHECK(severity(dropped(0.97, 0.959), "accuracy_drop", {{"/max_drop", 1.1}}) ==
        DETENT_FINDING_INFO);
  CHECK(severity(dropped(0.97, 0.969), "accuracy_drop", {{"/max_drop", 0.0}}) ==
        DETENT_FINDING_FAIL);
}

TEST_CASE("the numbers are findings, accuracy as shares and the drop in points", "[accuracy]") {
  Validator v("accuracy");
  REQUIRE(v.check_output(dropped(0.97, 0.965)) == DETENT_OK);
  CHECK(v.count(DETENT_FINDING_INFO) == v.findings.all.size());
  CHECK(v.findings.at("accuracy_before").value == 0.97);
  CHECK(v.findings.at("accuracy_after").value == 0.965);
  CHECK(v.findings.at("accuracy_drop").value == Approx(0.5));
  CHECK(v.findings.at("accuracy_drop").threshold == 1);
  CHECK(v.findings.at("samples").value == 200);
  CHECK(v.findings.at("cosine_min").value == 0.999);
  CHECK(v.findings.at("top1_agreement").value == 0.98);
  CHECK(v.findings.at("output_sqnr_db").value == 35);
  CHECK(v.findings.at("output_sqnr_db").target.empty());
}

TEST_CASE("limits are judged only when they are given", "[accuracy]") {
  detent_output_input in = output();
  in.cosine_min = -0.5;
  in.top1_agreement = 0;
  in.output_sqnr_db = -std::numeric_limits<double>::infinity();
  CHECK(failures(in) == 0);
  CHECK(severity(in, "cosine_min", {{"/min_cosine", 0.0}}) == DETENT_FINDING_FAIL);
  CHECK(severity(in, "top1_agreement", {{"/min_top1_agreement", 0.01}}) == DETENT_FINDING_FAIL);
  CHECK(severity(in, "output_sqnr_db", {{"/min_output_sqnr_db", 20}}) == DETENT_FINDING_FAIL);
}

TEST_CASE("a limit is met by its own value and named when it is not", "[accuracy]") {
  const detent_output_input in = output();
  CHECK(failures(in, {{"/min_cosine", 0.999},
                      {"/min_top1_agreement", 0.98},
                      {"/min_output_sqnr_db", 35}}) == 0);
  CHECK(severity(in, "cosine_min", {{"/min_cosine", 0.9991}},
                 "cosine_min is 0.999000, below 0.999100") == DETENT_FINDING_FAIL);
  CHECK(severity(in, "top1_agreement", {{"/min_top1_agreement", 0.985}}) == DETENT_FINDING_FAIL);
  CHECK(severity(in, "output_sqnr_db", {{"/min_output_sqnr_db", 35.01}}) == DETENT_FINDING_FAIL);
}

TEST_CASE("the least cosine is judged, not the mean", "[accuracy]") {
  detent_output_input in = output();
  in.cosine_mean = 1;
  in.cosine_min = 0.5;
  CHECK(failures(in, {{"/min_cosine", 0.9}}) == 1);
}

TEST_CASE("a limit for a number that is not known is a warning", "[accuracy]") {
  detent_output_input in = output();
  in.top1_agreement = kNan;
  CHECK(failures(in) == 0);
  CHECK(severity(in, "top1_agreement", {{"/min_top1_agreement", 0.5}}) == DETENT_FINDING_WARN);
}

TEST_CASE("samples without targets are a warning unless another limit judges", "[accuracy]") {
  detent_output_input in = output();
  in.judged = 0;
  in.accuracy_before = in.accuracy_after = kNan;
  CHECK(severity(in, "samples", {}, "targets") == DETENT_FINDING_WARN);
  CHECK(severity(in, "samples", {{"/min_cosine", 0.9}}) == DETENT_FINDING_INFO);
  CHECK(severity(in, "samples", {{"/min_top1_agreement", 0.9}}) == DETENT_FINDING_INFO);
  CHECK(severity(in, "samples", {{"/min_output_sqnr_db", 9}}) == DETENT_FINDING_INFO);
  Validator v("accuracy");
  REQUIRE(v.check_output(in) == DETENT_OK);
  CHECK_THROWS(v.findings.at("accuracy_drop"));
  CHECK_THROWS(v.findings.at("accuracy_after"));
}

TEST_CASE("nothing that ran is a warning with the reason", "[accuracy]") {
  detent_output_input in = output();
  in.how = DETENT_OUTPUT_NONE;
  in.why = "there are no calibration data";
  CHECK(severity(in, "output_evaluated", {}, "no calibration data") == DETENT_FINDING_WARN);
  in.how = DETENT_OUTPUT_SIMULATED;
  in.samples = 0;
  CHECK(severity(in, "output_evaluated") == DETENT_FINDING_WARN);
}

TEST_CASE("an artefact that does not run, or gives NaN, fails", "[accuracy]") {
  detent_output_input in = output();
  in.non_finite = 2;
  CHECK(severity(in, "non_finite", {}, "2 values") == DETENT_FINDING_FAIL);
  in = output();
  in.how = DETENT_OUTPUT_FAILED;
  in.why = "Unknown builtin op";
  CHECK(severity(in, "output_evaluated", {}, "Unknown builtin op") == DETENT_FINDING_FAIL);
}

TEST_CASE("accuracy has nothing to say about tensors", "[accuracy]") {
  Validator v("accuracy");
  Input input(floats({2}, {1, 2}));
  REQUIRE(v.check(input) == DETENT_OK);
  REQUIRE(v.finish(summary(1, 1, 8, 4, 9, 5)) == DETENT_OK);
  CHECK(v.findings.all.empty());
}
