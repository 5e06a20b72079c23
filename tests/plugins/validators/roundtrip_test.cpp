// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "support/catch.hpp"
#include "validating.hpp"

using namespace validating;

namespace {
// The metric of the only finding, which names `tensor`; "" when there is none.
std::string verdict(Input& input, const char* tensor) {
  Validator v("roundtrip");
  REQUIRE(v.check(input) == DETENT_OK);
  if (v.findings.all.empty()) return "";
  REQUIRE(v.findings.all.size() == 1);
  CHECK(v.findings.all[0].severity == DETENT_FINDING_FAIL);
  CHECK(contains(v.findings.all[0].message, tensor));
  return v.findings.all[0].metric;
}

const Tensor& codes() {
  static const Tensor t({2}, std::vector<int8_t>{1, 2});
  return t;
}
}  // namespace

TEST_CASE("a stored tensor with the digest that was meant is sound", "[roundtrip]") {
  Input input(floats({2}, {1, 2}));
  input.quantized.put("qweight", {2}, std::vector<int8_t>{1, 2});
  input.stored_as("fc.weight", codes());
  input.stored_as("fc.weight_scale", codes());
  Validator v("roundtrip");
  REQUIRE(v.check(input) == DETENT_OK);
  REQUIRE(v.finish(summary(1, 1, 8, 4, 9, 5)) == DETENT_OK);
  CHECK(v.count(DETENT_FINDING_FAIL) == 0);
  CHECK(v.findings.at("stored_tensors_verified").value == 2);
}

TEST_CASE("a tensor that is missing or damaged in the artefact fails by name", "[roundtrip]") {
  Input missing(floats({2}, {1, 2}));
  missing.quantized.put("qweight", {2}, std::vector<int8_t>{1, 2});
  missing.stored_as("fc.weight", codes());
  missing.stored_as("fc.weight_scale", nullptr, "");
  CHECK(verdict(missing, "\"fc.weight_scale\" (of \"fc.weight\")") == "stored_tensor_found");

  Input damaged(floats({2}, {1, 2}));
  damaged.quantized.put("qweight", {2}, std::vector<int8_t>{1, 2});
  damaged.stored_as("fc.weight", codes(), "d2");
  CHECK(verdict(damaged, "\"fc.weight\"") == "digest_equal");

  Input nothing(floats({2}, {1, 2}));
  CHECK(verdict(nothing, "\"fc.weight\"") == "stored_tensors");
}

TEST_CASE("a kept tensor with other bytes than the original's is damaged", "[roundtrip]") {
  Input kept(floats({2}, {1, 2}));
  const Tensor found({2}, std::vector<float>{1, 2});
  kept.stored_as("fc.weight", found);
  CHECK(verdict(kept, "").empty());
  Input changed(floats({2}, {1, 2}));
  changed.stored_as("fc.weight", found, "d2");
  CHECK(verdict(changed, "\"fc.weight\"") == "digest_equal");
}

namespace {
// The metric that failed; "" when none did.
std::string failure(const detent_output_input& in, const char* says = "") {
  Validator v("roundtrip");
  REQUIRE(v.check_output(in) == DETENT_OK);
  for (const auto& f : v.findings.all)
    if (f.severity == DETENT_FINDING_FAIL) {
      CHECK(contains(f.message, says));
      return f.metric;
    }
  return "";
}
}  // namespace

TEST_CASE("a program that gives what was intended is sound, and the distance is told") {
  CHECK(failure(output()).empty());
  Validator v("roundtrip");
  REQUIRE(v.check_output(output()) == DETENT_OK);
  REQUIRE(v.findings.all.size() == 1);
  CHECK(v.findings.at("program_sqnr_db").value == 110);
  CHECK(v.findings.at("program_sqnr_db").threshold == 40);
}

TEST_CASE("a program of the simulation's arithmetic fails below 40 dB from it") {
  detent_output_input in = output();
  in.intended_sqnr_db = 40;
  CHECK(failure(in).empty());
  in.intended_sqnr_db = 39.996;
  CHECK(failure(in, "39.99 dB") == "program_sqnr_db");
  in.intended_sqnr_db = -std::numeric_limits<double>::infinity();
  CHECK(failure(in) == "program_sqnr_db");
  in.exact = 0;
  CHECK(failure(in).empty());
  in.exact = 1;
  in.intended_sqnr_db = std::nan("");  // no floating-point output
  CHECK(failure(in).empty());
}

TEST_CASE("a program that does not run, or not as it should, fails whatever its arithmetic") {
  detent_output_input in = output();
  in.exact = 0;
  in.how = DETENT_OUTPUT_FAILED;
  in.why = "Unknown builtin op: aten::nonsense";
  CHECK(failure(in, "aten::nonsense") == "program_runs");
  in = output();
  in.exact = 0;
  in.non_finite = 1;
  CHECK(failure(in, "1 value") == "program_output_finite");
  in = output();
  in.exact = 0;
  in.intended_mismatch = "2 outputs, not 1";
  CHECK(failure(in, "2 outputs, not 1") == "program_shapes");
}

TEST_CASE("an artefact that is no program, or was not run, is judged by its tensors alone") {
  detent_output_input in = output();
  in.how = DETENT_OUTPUT_SIMULATED;
  in.intended_sqnr_db = -10;
  in.non_finite = 5;
  CHECK(failure(in).empty());
  in = output();
  in.intended_samples = 0;
  in.intended_sqnr_db = std::nan("");
  CHECK(failure(in).empty());
}
