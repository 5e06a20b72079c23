// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>
#include <string>

#include "support/catch.hpp"
#include "validating.hpp"

using namespace validating;

namespace {
const float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

// A sound tensor: two rows of three codes, one scale a row.
std::unique_ptr<Input> sound() {
  auto input = std::make_unique<Input>(floats({2, 3}, {1, 2, 3, 4, 5, 6}));
  input->quantized.put("qweight", {2, 3}, std::vector<int8_t>{-127, 0, 127, 1, 2, 3});
  input->quantized.put("scale", {2}, std::vector<float>{0.1F, 0.2F});
  return input;
}

// The metric of the only finding and its value; "" and 0 when there is none.
std::pair<std::string, double> verdict(Input& input, testing::Params::List params = {},
                                       int32_t severity = DETENT_FINDING_FAIL) {
  Validator v("weight_range", std::move(params));
  REQUIRE(v.check(input) == DETENT_OK);
  if (v.findings.all.empty()) return {"", 0};
  REQUIRE(v.findings.all.size() == 1);
  CHECK(v.findings.all[0].severity == severity);
  CHECK(contains(v.findings.all[0].message, "\"fc.weight\""));
  return {v.findings.all[0].metric, v.findings.all[0].value};
}
using Verdict = std::pair<std::string, double>;

std::unique_ptr<Input> packed(detent_dtype stored, std::vector<int64_t> shape, const char* bytes) {
  auto input = std::make_unique<Input>(floats({2, 3}, {1, 2, 3, 4, 5, 6}));
  auto codes = std::make_unique<Tensor>(Tensor::Zeros{}, stored, std::move(shape));
  std::memcpy(codes->bytes(), bytes, codes->raw().size());
  input->quantized.put("qweight", std::move(codes));
  input->qspec.qdtype = DETENT_I4;
  input->qspec.qmin = -7;
  input->qspec.qmax = 7;
  return input;
}
}  // namespace

TEST_CASE("sound codes, scales and values give no finding", "[weight_range]") {
  CHECK(verdict(*sound()) == Verdict{"", 0});
}

TEST_CASE("codes outside the target are counted", "[weight_range]") {
  auto input = sound();
  input->quantized.put("qweight", {2, 3}, std::vector<int8_t>{-128, 0, 127, 1, -128, 3});
  CHECK(verdict(*input) == Verdict{"codes_out_of_range", 2});

  input->quantized.put("qweight", {2, 3}, std::vector<uint8_t>{0, 1, 15, 16, 255, 3});
  input->qspec.qdtype = DETENT_U8;
  input->qspec.qmin = 0;
  input->qspec.qmax = 15;
  CHECK(verdict(*input) == Verdict{"codes_out_of_range", 2});

  input->quantized.put("qweight", {2, 3}, std::vector<int32_t>{0, 1, 15, 16, -70000, 70000});
  CHECK(verdict(*input) == Verdict{"codes_out_of_range", 3});
}

TEST_CASE("packed codes are read low nibble first, without the padding", "[weight_range]") {
  // Rows of three codes in two bytes: -8 is 0x8. The high nibble of the second byte is padding.
  CHECK(verdict(*packed(DETENT_I4, {2, 3}, "\x91\x07\x7f\x01")) == Verdict{"", 0});
  CHECK(verdict(*packed(DETENT_I4, {2, 3}, "\x81\x07\x78\x01")) ==
        Verdict{"codes_out_of_range", 2});
  CHECK(verdict(*packed(DETENT_I4, {2, 3}, "\x11\x87\x11\x81")) == Verdict{"", 0});
  CHECK(verdict(*packed(DETENT_I4, {2, 3}, "\x11\x78\x11\x08")) ==
        Verdict{"codes_out_of_range", 2});
  // As a file stores them, U8 [2, 2]: the original has six elements, so the rows have three.
  CHECK(verdict(*packed(DETENT_U8, {2, 2}, "\x81\x07\x78\x81")) ==
        Verdict{"codes_out_of_range", 2});
}

TEST_CASE("the lowest signed packed code is -8", "[weight_range]") {
  auto input = packed(DETENT_I4, {2, 3}, "\x88\x08\x77\x07");
  input->qspec.qmin = -8;
  CHECK(verdict(*input) == Verdict{"", 0});
}

TEST_CASE("unsigned packed codes are not sign-extended", "[weight_range]") {
  auto input = packed(DETENT_U4, {2, 3}, "\xf8\x00\x12\x0e");
  input->qspec.qdtype = DETENT_U4;
  input->qspec.qmin = 0;
  input->qspec.qmax = 14;
  CHECK(verdict(*input) == Verdict{"codes_out_of_range", 1});
}

TEST_CASE("a scale that is zero, negative, NaN or infinite fails", "[weight_range]") {
  for (const float bad : {0.0F, -0.1F, kNaN, kInf}) {
    auto input = sound();
    input->quantized.put("scale", {2}, std::vector<float>{0.1F, bad});
    CHECK(verdict(*input) == Verdict{"scale_invalid", 1});
  }
  auto integers = sound();
  integers->quantized.put("scale", {2}, std::vector<int32_t>{1, 2});
  CHECK(verdict(*integers) == Verdict{"scale_invalid", 2});
}

TEST_CASE("a zero point outside the codes fails", "[weight_range]") {
  auto input = sound();
  input->quantized.put("zero_point", {2}, std::vector<int32_t>{-127, 127});
  CHECK(verdict(*input) == Verdict{"", 0});
  input->quantized.put("zero_point", {2}, std::vector<int32_t>{-128, 128});
  CHECK(verdict(*input) == Verdict{"zero_point_out_of_range", 2});
}

TEST_CASE("NaN and infinity in codes or dequantized values fail", "[weight_range]") {
  auto input = sound();
  input->metrics.dequantized_non_finite = 2;
  CHECK(verdict(*input) == Verdict{"dequantized_non_finite", 2});

  Input half(floats({2}, {1, 1e6F}));
  auto codes = std::make_unique<Tensor>(Tensor::Zeros{}, DETENT_F16, std::vector<int64_t>{2});
  std::memcpy(codes->bytes(), "\x00\x3c\x00\x7c", 4);  // 1 and infinity
  half.quantized.put("qweight", std::move(codes));
  CHECK(verdict(half) == Verdict{"codes_non_finite", 1});
}

TEST_CASE("NaN in a kept tensor is what the parameter says", "[weight_range]") {
  Input kept(floats({4}, {1, kNaN, kInf, -kInf}));
  kept.metrics.original_non_finite = 3;
  CHECK(verdict(kept, {}, DETENT_FINDING_WARN) == Verdict{"kept_non_finite", 3});
  CHECK(verdict(kept, {{"/kept_non_finite", "error"}}) == Verdict{"kept_non_finite", 3});
  CHECK(verdict(kept, {{"/kept_non_finite", "ignore"}}) == Verdict{"", 0});
}

TEST_CASE("what is wrong in any block of rows is told once, of the whole tensor",
          "[weight_range]") {
  Validator v("weight_range");
  const auto give = [&](uint64_t first_row, bool last, std::vector<int8_t> codes, float scale) {
    Input block(floats({3, 2}, {1, 2, 3, 4, 5, 6}));
    block.quantized.put("qweight", {1, 2}, std::move(codes));
    block.quantized.put("scale", {1}, std::vector<float>{scale});
    block.first_row = first_row;
    block.last = last;
    REQUIRE(v.check(block) == DETENT_OK);
  };
  give(0, false, {-128, 0}, 0.1F);
  give(1, false, {1, 2}, 0);
  CHECK(v.findings.all.empty());
  give(2, true, {-128, -128}, 0.1F);
  REQUIRE(v.findings.all.size() == 2);
  CHECK(v.findings.all[0].metric == std::string("codes_out_of_range"));
  CHECK(v.findings.all[0].value == 3);
  CHECK(v.findings.all[1].metric == std::string("scale_invalid"));
  CHECK(v.findings.all[1].value == 1);
  give(0, true, {1, 2}, 0.1F);  // the next tensor begins with nothing
  CHECK(v.findings.all.size() == 2);
}
