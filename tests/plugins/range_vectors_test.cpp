// SPDX-License-Identifier: Apache-2.0
// minmax and ema against the reference vectors.
#include <bit>
#include <cstdint>
#include <cstdlib>

#include "support/catch.hpp"
#include "support/mini_host.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

struct Vector {
  const json::Value* json;
  std::string plugin;  // "minmax" or "ema"
  Params params;
  detent_qspec spec;
};

Vector read_vector(const json::Value& json) {
  const bool ema = text_at(json, "/observer") == "moving_average";
  const bool symmetric = *member(json, "/params/symmetric").if_bool();
  detent_qspec spec = qspec(int_at(json, "/params/qmin"), int_at(json, "/params/qmax"), symmetric);
  if (json.at_pointer("/params/ch_axis") != nullptr)
    spec = per_channel(spec, static_cast<std::int32_t>(int_at(json, "/params/ch_axis")));
  const Params params =
      ema ? Params{{"/averaging_constant", number_at(json, "/params/averaging_constant")}}
          : Params{};
  return {&json, ema ? "ema" : "minmax", params, spec};
}

std::vector<Vector> vectors_of(const std::string& observer) {
  std::vector<Vector> found;
  for (const json::Value& c : vector_cases("cases.json"))
    if (text_at(c, "/observer") == observer) found.push_back(read_vector(c));
  return found;
}

Observer observe_input(const Vector& v, const Params& params) {
  Observer observer(Library::built_in(v.plugin).plugin(v.plugin), params, v.spec);
  for (const Tensor& batch : vector_input(text_at(*v.json, "/input"))) observer.observe(batch);
  return observer;
}

std::int64_t ulps_between(float a, const std::string& expected_hex) {
  const auto bits = static_cast<std::int64_t>(std::strtoul(expected_hex.c_str(), nullptr, 16));
  return std::llabs(std::int64_t{std::bit_cast<std::uint32_t>(a)} - bits);  // both are positive
}

std::vector<std::int64_t> zero_points(const Results& results) {
  std::vector<std::int64_t> out;
  const bool is_signed = results.tensor("zero_point").dtype() == DETENT_I8;
  for (const std::uint8_t byte : results.tensor("zero_point").bytes())
    out.push_back(is_signed ? std::int64_t{static_cast<std::int8_t>(byte)} : byte);
  return out;
}

// Scales within max_ulps, zero points equal, minima and maxima within a relative 2^-50: the
// reference averages as min + c * (batch_min - min), which rounds otherwise.
void check_vector(const Vector& v, std::int64_t max_ulps) {
  const Observer observer = observe_input(v, v.params);
  const Results got = observer.qparams();
  const json::Value& expected = member(*v.json, "/expected/reference");
  const auto scales = got.values<float>("scale");
  const auto hex = texts_at(expected, "/scale_f32_hex");
  REQUIRE(scales.size() == hex.size());
  for (std::size_t i = 0; i < hex.size(); ++i) CHECK(ulps_between(scales[i], hex[i]) <= max_ulps);
  const auto zeros = ints_at(expected, "/zero_point");
  if (got.has("zero_point")) {
    CHECK(zero_points(got) == zeros);
  } else {
    CHECK(zeros == std::vector<std::int64_t>(zeros.size(), 0));
    CHECK(v.spec.symmetric == 1);
  }
  const Results stat = observer.stat("stat:minmax/1");
  for (const char* const end : {"min", "max"}) {
    const auto values = stat.values<double>(end);
    const auto reference = numbers_at(expected, std::string("/") + end);
    REQUIRE(values.size() == reference.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      CHECK(std::abs(values[i] - reference[i]) <= std::abs(reference[i]) * 0x1p-50);
  }
}

void check_all(const std::string& observer, std::int64_t max_ulps, std::size_t cases) {
  std::size_t checked = 0;
  for (const Vector& v : vectors_of(observer)) {
    INFO(text_at(*v.json, "/id"));
    if (text_at(*v.json, "/rule") == "error") continue;
    check_vector(v, max_ulps);
    ++checked;
  }
  CHECK(checked == cases);
}

detent_qspec weight_spec(const json::Value& json) {
  const bool symmetric = *member(json, "/symmetric").if_bool();
  if (int_at(json, "/bits") == 4)
    return per_group(qspec(-8, 7, symmetric), int_at(json, "/group_size"));
  return per_channel(qspec(symmetric ? -127 : -128, 127, symmetric),
                     static_cast<std::int32_t>(int_at(json, "/axis")));
}

// float32 scales of the reference, printed as the doubles they are.
void check_weight(const json::Value& json) {
  const detent_qspec spec = weight_spec(json);
  const Vector v{&json, "minmax", {}, spec};
  const Results got = observe_input(v, v.params).qparams();
  const json::Value& expected = member(json, "/reference");
  if (expected.at_pointer("/scale_shape") != nullptr)
    CHECK(got.tensor("scale").shape() == ints_at(expected, "/scale_shape"));
  const auto scales = got.values<float>("scale");
  CHECK(std::vector<double>(scales.begin(), scales.end()) == numbers_at(expected, "/scale"));
  if (spec.symmetric == 0) CHECK(zero_points(got) == ints_at(expected, "/zero_point"));
}

}  // namespace

TEST_CASE("minmax gives the reference's scales per group and per channel of weights",
          "[plugins][observers]") {
  for (const json::Value& json : vector_cases("weights.json")) {
    INFO(text_at(json, "/input") << ", " << int_at(json, "/bits") << " bits");
    check_weight(json);
  }
  CHECK(vector_cases("weights.json").size() == 26);
}

TEST_CASE("minmax gives the reference's parameters on every vector", "[plugins][observers]") {
  check_all("minmax", 0, 43);
}

TEST_CASE("ema gives the reference's parameters on every vector", "[plugins][observers]") {
  check_all("moving_average", 1, 18);
}

TEST_CASE("minmax and ema refuse vectors without a finite value", "[plugins][observers]") {
  std::size_t checked = 0;
  for (const char* const observer : {"minmax", "moving_average"})
    for (const Vector& v : vectors_of(observer)) {
      if (text_at(*v.json, "/rule") != "error") continue;
      INFO(text_at(*v.json, "/id"));
      Results out;
      const Observer seen = observe_input(v, v.params);
      CHECK(seen.try_qparams(v.spec, out) == DETENT_E_NOT_READY);
      CHECK(seen.error().find("no data observed") == 0);
      CHECK(seen.try_stat("stat:minmax/1", out) == DETENT_E_NOT_READY);
      ++checked;
    }
  CHECK(checked == 3);
}

TEST_CASE("minmax and ema refuse vectors that are not finite when told to",
          "[plugins][observers]") {
  std::size_t checked = 0;
  for (const char* const observer : {"minmax", "moving_average"})
    for (const Vector& v : vectors_of(observer)) {
      if (text_at(*v.json, "/rule").find("policy") != 0) continue;
      INFO(text_at(*v.json, "/id"));
      Observer strict(Library::built_in(v.plugin).plugin(v.plugin),
                      {{"/non_finite", "error"}, {"/averaging_constant", 0.5}}, v.spec);
      std::int32_t status = DETENT_OK;
      for (const Tensor& batch : vector_input(text_at(*v.json, "/input")))
        if (status == DETENT_OK) status = strict.try_observe(batch.view());
      CHECK(status == DETENT_E_NUMERIC);
      CHECK(strict.error().find("NaN or infinite") != std::string::npos);
      ++checked;
    }
  CHECK(checked == 6);
}

}  // namespace detent::test
