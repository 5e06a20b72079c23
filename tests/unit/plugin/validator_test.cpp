// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"

using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

Validator make(const std::string& mode = "", const char* id = "fixture.validator") {
  return Validator(good().get(PluginKind::validator, id), pool(), with_mode(mode, ""));
}

detent_output_input output_of(double sqnr_db) {
  detent_output_input in{};
  in.struct_size = sizeof in;
  in.why = "no calibration data";
  in.intended_mismatch = "";
  in.output_sqnr_db = sqnr_db;
  return in;
}

std::vector<Finding> check(Validator validator) {
  const detent_metrics metrics{12.5, 0.1, 100, 30, 0, 0};
  detent_check_input in{};
  in.struct_size = sizeof in;
  in.target = "fc1.weight";
  in.metrics = &metrics;
  return validator.check(in);
}

}  // namespace

TEST_CASE("findings arrive with the validator's id and all their values") {
  const std::vector<Finding> findings = check(make());
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].validator == "fixture.validator");
  CHECK(findings[0].target == "fc1.weight");
  CHECK(findings[0].metric == "sqnr_db");
  CHECK(findings[0].value == 12.5);
  CHECK(findings[0].threshold == 20);
  CHECK(findings[0].severity == DETENT_FINDING_FAIL);
  CHECK(findings[0].message == "too low");
}

TEST_CASE("findings over the whole run come from finish") {
  detent_run_summary summary{};
  summary.struct_size = sizeof summary;
  summary.bytes_before = 400;
  summary.bytes_after = 100;
  Validator validator = make();
  const std::vector<Finding> findings = validator.finish(summary);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].target.empty());
  CHECK(findings[0].value == 4);
}

TEST_CASE("a validator is told what became of the model's output") {
  Validator validator = make();
  const std::vector<Finding> findings = validator.check_output(output_of(31.5));
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].validator == "fixture.validator");
  CHECK(findings[0].target.empty());
  CHECK(findings[0].value == 31.5);
  CHECK(findings[0].message == "no calibration data");
}

TEST_CASE("a validator of before check_output is not asked about outputs") {
  Validator validator = make("", "fixture.old_validator");
  CHECK(validator.check_output(output_of(31.5)).empty());
}

TEST_CASE("a malformed finding is a broken contract, even when the plugin ignores the status") {
  for (const auto& [mode, what] : {std::pair{"null_text", "a text of a finding is NULL"},
                                   std::pair{"severity", "a finding has an unknown severity"},
                                   std::pair{"short", "a finding is too short"}}) {
    const Error e = error_of([&] { check(make(mode)); });
    CHECK(e.code() == ErrorCode::plugin);
    CHECK(contains(e.problems()[0].message, what));
  }
}
