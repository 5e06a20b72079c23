// SPDX-License-Identifier: Apache-2.0
// The 26 weights of the reference vectors: codes, scales and zero points bit for bit, SQNR.
#include <cmath>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"
#include "support/sha256.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

struct Case {
  std::string input;
  std::int64_t bits, group_size = 0;
  bool symmetric;
  Tensor weight;
  const json::Value& expected;
};

Case read_case(const json::Value& value) {
  Case c{text_at(value, "/input"),
         int_at(value, "/bits"),
         0,
         *member(value, "/symmetric").if_bool(),
         vector_input(text_at(value, "/input")).at(0),
         member(value, "/reference")};
  if (c.bits == 4) c.group_size = int_at(value, "/group_size");
  return c;
}

Results quantize(const Case& c, Order order = Order::forward) {
  if (c.bits == 8)
    return Quantizer("int8", {{"/symmetric", c.symmetric}}, order).quantize(c.weight);
  return Quantizer("int4_groupwise",
                   {{"/symmetric", c.symmetric}, {"/group_size", static_cast<int>(c.group_size)}},
                   order)
      .quantize(c.weight);
}

std::vector<std::int8_t> codes_of(const Case& c, const Results& results) {
  return c.bits == 8 ? results.values<std::int8_t>("qweight") : unpack(results.tensor("qweight"));
}

std::vector<std::int64_t> zero_points_of(const Results& results, std::size_t n) {
  if (!results.has("zero_point")) return std::vector<std::int64_t>(n, 0);
  const auto zero = results.values<std::int8_t>("zero_point");
  return {zero.begin(), zero.end()};
}

}  // namespace

TEST_CASE("the quantizers give the codes, scales and zero points of the reference vectors") {
  const json::Array& cases = vector_cases("weights.json");
  REQUIRE(cases.size() == 26);
  for (const json::Value& value : cases) {
    const Case c = read_case(value);
    CAPTURE(c.input, c.bits, c.group_size, c.symmetric);
    const Results results = quantize(c);

    const auto codes = codes_of(c, results);
    const std::vector<std::uint8_t> code_bytes(codes.begin(), codes.end());
    CHECK(sha256_hex(code_bytes) == text_at(c.expected, "/codes_sha256"));

    const auto scales = results.values<float>("scale");
    const auto expected_scales = numbers_at(c.expected, "/scale");
    REQUIRE(scales.size() == expected_scales.size());
    for (std::size_t i = 0; i < scales.size(); ++i)
      REQUIRE(double{scales[i]} == expected_scales[i]);
    CHECK(zero_points_of(results, scales.size()) == ints_at(c.expected, "/zero_point"));
    CHECK(results.has("zero_point") == !c.symmetric);
  }
}

TEST_CASE("what dequantize gives back has the SQNR of the reference vectors") {
  for (const json::Value& value : vector_cases("weights.json")) {
    const Case c = read_case(value);
    CAPTURE(c.input, c.bits, c.group_size, c.symmetric);
    Quantizer reader(c.bits == 8 ? "int8" : "int4_groupwise");  // it has the metadata to go by
    const auto back = reader.dequantize(quantize(c), c.weight.shape());
    const double expected = number_at(c.expected, "/sqnr_db");
    // The reference multiplies in float64; ours is float32, 24 bits: 1e-5 dB at these SQNR.
    CHECK(std::abs(sqnr_db(c.weight.values<float>(), back) - expected) < 1e-4);
  }
}

TEST_CASE("the order and number of threads do not change a byte") {
  for (const json::Value& value : vector_cases("weights.json")) {
    const Case c = read_case(value);
    CAPTURE(c.input, c.bits, c.group_size, c.symmetric);
    const auto expected = all_bytes(quantize(c));
    CHECK(all_bytes(quantize(c, Order::reversed)) == expected);
    CHECK(all_bytes(quantize(c, Order::threads)) == expected);
  }
}

TEST_CASE("4-bit codes are packed as in the packing vectors") {
  REQUIRE(vector_cases("packing.json").size() == 9);
  for (const json::Value& value : vector_cases("packing.json")) {
    // With scale 1 from an observer, integers are their own codes.
    const auto codes = ints_at(value, "/values");
    std::vector<float> weight(codes.begin(), codes.end());
    const Tensor row = Tensor::of(Shape{1, static_cast<std::int64_t>(codes.size())}, weight);
    Results stats;
    stats.put("scale", Tensor::of<float>({1, 1}, {1.0F}));
    const Results results = Quantizer("int4_groupwise").quantize(row, stats);
    const auto& bytes = results.tensor("qweight").bytes();
    CHECK(std::vector<std::int64_t>(bytes.begin(), bytes.end()) ==
          ints_at(value, "/low_nibble_first_bytes"));
    CHECK(Quantizer("int4_groupwise").dequantize(results, row.shape()) == weight);
  }
}

}  // namespace detent::test
