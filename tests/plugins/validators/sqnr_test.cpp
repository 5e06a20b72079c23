// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "support/catch.hpp"
#include "validating.hpp"

using namespace validating;

namespace {
const testing::Finding& judged(Validator& v, double db) {
  Input input(floats({2}, {1, 2}));
  input.quantized.put("qweight", {2}, std::vector<int8_t>{1, 2});
  input.metrics.sqnr_db = db;
  v.findings.all.clear();
  REQUIRE(v.check(input) == DETENT_OK);
  REQUIRE(v.findings.all.size() == 1);
  CHECK(v.findings.all[0].metric == "sqnr_db");
  CHECK(v.findings.all[0].target == "fc.weight");
  return v.findings.all[0];
}
}  // namespace

TEST_CASE("SQNR fails below 10 dB and warns below 20 dB", "[sqnr]") {
  Validator v("sqnr");
  CHECK(judged(v, 9.999).severity == DETENT_FINDING_FAIL);
  CHECK(judged(v, 10).severity == DETENT_FINDING_WARN);
  CHECK(judged(v, 19.999).severity == DETENT_FINDING_WARN);
  CHECK(judged(v, 20).severity == DETENT_FINDING_INFO);
  CHECK(judged(v, std::numeric_limits<double>::infinity()).severity == DETENT_FINDING_INFO);
  CHECK(judged(v, -std::numeric_limits<double>::infinity()).severity == DETENT_FINDING_FAIL);
  CHECK(judged(v, std::nan("")).severity == DETENT_FINDING_FAIL);
}

TEST_CASE("an SQNR finding carries value, threshold and what to do", "[sqnr]") {
  Validator v("sqnr");
  const testing::Finding low = judged(v, 8.125);
  CHECK(low.value == 8.125);
  CHECK(low.threshold == 10);
  CHECK(contains(low.message, "SQNR of \"fc.weight\" is 8.12 dB, below 10.00"));
  CHECK(contains(low.message, "group_size"));
  CHECK(contains(judged(v, 9.999).message, "is 9.99 dB, below 10.00"));
  CHECK(judged(v, 41).message.empty());
}

TEST_CASE("SQNR thresholds are parameters", "[sqnr]") {
  Validator v("sqnr", {{"/critical_db", 30.0}, {"/warn_db", 40}});
  CHECK(judged(v, 29).severity == DETENT_FINDING_FAIL);
  CHECK(judged(v, 39).severity == DETENT_FINDING_WARN);
  CHECK_THROWS_AS(Validator("sqnr", {{"/critical_db", 21.0}}), detent::sdk::Error);
}

TEST_CASE("SQNR says nothing about kept tensors and sums up the others", "[sqnr]") {
  Validator v("sqnr");
  Input kept(floats({2}, {1, 2}));
  REQUIRE(v.check(kept) == DETENT_OK);
  CHECK(v.findings.all.empty());
  judged(v, 20);
  judged(v, 50);
  judged(v, std::numeric_limits<double>::infinity());
  REQUIRE(v.finish(summary(4, 3, 8, 4, 9, 5)) == DETENT_OK);
  CHECK(v.findings.at("sqnr_db_mean").value == 35);
  CHECK(v.findings.at("sqnr_db_min").value == 20);

  Validator none("sqnr");
  REQUIRE(none.finish(summary(1, 0, 8, 8, 9, 9)) == DETENT_OK);
  CHECK(none.findings.all.empty());
}
