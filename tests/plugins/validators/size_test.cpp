// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include "validating.hpp"

using namespace validating;

namespace {
// The finding about the ratio of that many tensor bytes before and after.
testing::Finding ratio(testing::Params::List params, uint64_t before, uint64_t after) {
  Validator v("size", std::move(params));
  REQUIRE(v.finish(summary(2, 1, before, after, before + 100, after + 100)) == DETENT_OK);
  CHECK(v.findings.at("bytes_before").value == static_cast<double>(before));
  CHECK(v.findings.at("bytes_after").value == static_cast<double>(after));
  return v.findings.at("compression_ratio");
}
}  // namespace

TEST_CASE("the ratio is of tensor bytes, and must be above 1", "[size]") {
  CHECK(ratio({}, 400, 100).value == 4);
  CHECK(ratio({}, 400, 100).severity == DETENT_FINDING_INFO);
  CHECK(ratio({}, 400, 399).severity == DETENT_FINDING_INFO);
  CHECK(ratio({}, 400, 400).severity == DETENT_FINDING_FAIL);
  CHECK(ratio({}, 400, 500).severity == DETENT_FINDING_FAIL);
  CHECK(contains(ratio({}, 400, 500).message, "not smaller"));
}

TEST_CASE("a required ratio may be met exactly", "[size]") {
  CHECK(ratio({{"/min_ratio", 2.0}}, 400, 200).severity == DETENT_FINDING_INFO);
  CHECK(ratio({{"/min_ratio", 2.0}}, 400, 201).severity == DETENT_FINDING_FAIL);
  CHECK(contains(ratio({{"/min_ratio", 2.0}}, 400, 201).message, "below the min_ratio of 2.00"));
  CHECK(ratio({{"/min_ratio", 0.5}}, 400, 500).severity == DETENT_FINDING_INFO);
}

TEST_CASE("max_bytes limits the files, not the tensors", "[size]") {
  Validator within("size", {{"/max_bytes", 300}});
  REQUIRE(within.finish(summary(2, 2, 400, 100, 600, 300)) == DETENT_OK);
  CHECK(within.count(DETENT_FINDING_FAIL) == 0);
  Validator above("size", {{"/max_bytes", 300}});
  REQUIRE(above.finish(summary(2, 2, 400, 100, 600, 301)) == DETENT_OK);
  CHECK(above.count(DETENT_FINDING_FAIL) == 1);
  CHECK(above.findings.at("file_bytes_after").threshold == 300);
}

TEST_CASE("files that grew although the tensors shrank are a warning", "[size]") {
  Validator v("size");
  REQUIRE(v.finish(summary(2, 2, 400, 100, 500, 700)) == DETENT_OK);
  CHECK(v.count(DETENT_FINDING_FAIL) == 0);
  CHECK(v.findings.at("file_bytes_after").severity == DETENT_FINDING_WARN);
}

TEST_CASE("a run that quantized nothing is a warning, and an empty model is not", "[size]") {
  Validator nothing("size");
  REQUIRE(nothing.finish(summary(2, 0, 400, 400, 500, 500)) == DETENT_OK);
  CHECK(nothing.findings.at("compression_ratio").severity == DETENT_FINDING_WARN);
  Validator empty("size");
  REQUIRE(empty.finish(summary(0, 0, 0, 0, 40, 40)) == DETENT_OK);
  CHECK(empty.count(DETENT_FINDING_INFO) == empty.findings.all.size());
}
