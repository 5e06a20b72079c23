// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <optional>
#include <thread>

#include "support/catch.hpp"
#include "tensors.hpp"

using namespace detent;
using namespace detent::test;

namespace {

const char* const kInt8 =
    R"({"rules": [{"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}}]})";

std::optional<Error> error_of(std::span<const LentTensor> tensors, const std::string& rules) {
  try {
    quantize(tensors, with_rules(rules));
  } catch (const Error& e) {
    return e;
  }
  return std::nullopt;
}

std::string mixed() { return std::string(R"({"rules": )") + kMixedRules + "}"; }

}  // namespace

TEST_CASE("codes and scales of a weight in memory are those computed by hand") {
  // Symmetric per row: the scale is max|row| / 127.
  const TinyTensor weight = f32("fc.weight", {2, 4}, {127, -64, 1, 0, -254, 128, 2, 4});
  const QuantizedModel model = quantize(std::vector{lend(weight, "Linear")}, with_rules(kInt8));
  REQUIRE(model.tensors().size() == 1);
  const QuantizedTensor& fc = model.tensors().front();
  CHECK(fc.quantizer == "int8");
  CHECK(fc.layer == "fc");
  CHECK(fc.layer_type == "Linear");
  CHECK(fc.reason == "/rules/0");
  CHECK(std::isinf(fc.sqnr_db.value()));
  REQUIRE(stored(model, "fc.weight", "fc.weight") != nullptr);
  REQUIRE(stored(model, "fc.weight", "fc.weight_scale") != nullptr);
  CHECK(values<std::int8_t>(*stored(model, "fc.weight", "fc.weight")) ==
        std::vector<std::int8_t>{127, -64, 1, 0, -127, 64, 1, 2});
  CHECK(values<float>(*stored(model, "fc.weight", "fc.weight_scale")) == std::vector<float>{1, 2});
  CHECK(values<float>(model.dequantize("fc.weight")) ==
        std::vector<float>{127, -64, 1, 0, -254, 128, 2, 4});
}

TEST_CASE("dequantizing gives (code - zero point) * scale for every element") {
  const TinyTensor weight = random_f32("fc.weight", {6, 10}, 3);
  const QuantizedModel model = quantize(
      std::vector{lend(weight)},
      with_rules(
          R"({"rules": [{"weight": {"quantizer": "int8", "params": {"symmetric": false}}}]})"));
  const auto codes = values<std::int8_t>(*stored(model, "fc.weight", "fc.weight"));
  const auto scales = values<float>(*stored(model, "fc.weight", "fc.weight_scale"));
  const auto zeros = values<std::int8_t>(*stored(model, "fc.weight", "fc.weight_zero_point"));
  const auto back = values<float>(model.dequantize("fc.weight"));
  REQUIRE(back.size() == 60);
  REQUIRE(scales.size() == 6);
  for (std::size_t i = 0; i < back.size(); ++i)
    CHECK(back[i] == static_cast<float>(codes[i] - zeros[i / 10]) * scales[i / 10]);
}

TEST_CASE("the tensors that were lent are unchanged, and the result outlives them") {
  std::vector<TinyTensor> network = tiny_network();
  const std::vector<TinyTensor> before = network;
  const QuantizedModel model = quantize(lend(network), with_rules(mixed()));
  for (std::size_t i = 0; i < network.size(); ++i) CHECK(network[i].bytes == before[i].bytes);
  for (TinyTensor& t : network) std::ranges::fill(t.bytes, '\x55');
  network.clear();

  REQUIRE(model.tensors().size() == before.size());
  for (const TinyTensor& t : before) {
    INFO(t.name);
    const QuantizedTensor* kept = model.find(t.name);
    REQUIRE(kept != nullptr);
    if (kept->quantized()) continue;
    CHECK_FALSE(kept->reason.empty());
    CHECK_FALSE(kept->sqnr_db.has_value());
    CHECK(text_of(kept->stored.front().bytes) == t.bytes);
    CHECK(text_of(model.dequantize(t.name).bytes) == t.bytes);
  }
  CHECK(model.find("fc1.weight")->quantizer == "int4_groupwise");
  CHECK(model.find("conv1.weight")->quantizer == "int8");
  CHECK(model.find("embed.weight")->quantizer == "fp16");
}

TEST_CASE("a tensor of the result outlives the model it came from") {
  std::optional<OwnedTensor> codes;
  std::optional<OwnedTensor> floats;
  {
    const QuantizedModel model =
        quantize(std::vector{lend(f32("fc.weight", {1, 2}, {127, 3}))}, with_rules(kInt8));
    codes = *stored(model, "fc.weight", "fc.weight");
    floats = model.dequantize("fc.weight");
  }
  CHECK(values<std::int8_t>(*codes) == std::vector<std::int8_t>{127, 3});
  CHECK(values<float>(*floats) == std::vector<float>{127, 3});
}

TEST_CASE("the type that the program gives a layer is the one that rules see") {
  const TinyTensor weight = random_f32("table.weight", {4, 8}, 1);
  const char* const rules =
      R"({"rules": [{"match": {"type": "Embedding"}, "weight": {"quantizer": "int8"}}]})";
  CHECK(
      quantize(std::vector{lend(weight, "Embedding")}, with_rules(rules)).tensors()[0].quantized());
  const QuantizedModel kept = quantize(std::vector{lend(weight, "Linear")}, with_rules(rules));
  CHECK_FALSE(kept.tensors()[0].quantized());
  REQUIRE_FALSE(kept.warnings().empty());
  CHECK(kept.warnings().back().code == "nothing_to_quantize");
}

TEST_CASE("mistakes have a code, a place and a hint") {
  const TinyTensor good = f32("fc.weight", {1, 2}, {1, 2});
  const std::vector<LentTensor> lent{lend(good)};
  const auto unknown = error_of(lent, R"({"rules": [{"weight": {"quantizer": "int9"}}]})");
  REQUIRE(unknown.has_value());
  CHECK(unknown->code() == ErrorCode::config);
  CHECK(unknown->problems().front().where.line == 1);
  CHECK(unknown->problems().front().where.pointer == "/rules/0/weight/quantizer");
  CHECK(unknown->problems().front().hint.find("int8") != std::string::npos);
  CHECK(error_of(lent, "{\"rules\": [}").value().code() == ErrorCode::config);
  CHECK(
      error_of(lent, R"({"rules": [], "outputs": []})").value().problems().front().where.pointer ==
      "/outputs");

  const TinyTensor bad = f32("fc.weight", {1, 2}, {1, std::nanf("")});
  const auto refused = error_of(std::vector{lend(bad)}, kInt8);
  REQUIRE(refused.has_value());
  CHECK(refused->code() == ErrorCode::quantization);
  CHECK(refused->problems().front().where.tensor == "fc.weight");

  const auto activation = error_of(lent, R"({"rules": [{"activation": {"quantizer": "int8"}}]})");
  CHECK(activation.value().code() == ErrorCode::config);
  CHECK(std::string(activation->what()).find("the memory holds weights only") != std::string::npos);
}

TEST_CASE("asking a result for what it does not have is an error with a code") {
  const QuantizedModel model =
      quantize(std::vector{lend(f32("fc.weight", {1, 2}, {127, 3}))}, with_rules(kInt8));
  CHECK(model.find("fc.bias") == nullptr);
  CHECK_THROWS_AS(model.dequantize("fc.bias"), Error);
  CHECK_THROWS_AS(stored(model, "fc.weight", "fc.weight")->as<float>(), Error);
}

TEST_CASE("threads that quantize models of their own get the bytes that one thread gets") {
  const std::vector<TinyTensor> network = tiny_network();
  const auto all_bytes = [&] {
    std::string all;
    const QuantizedModel model = quantize(lend(network), with_rules(mixed()));
    for (const QuantizedTensor& t : model.tensors())
      for (const OwnedTensor& s : t.stored) all += s.name + text_of(s.bytes);
    for (const auto& [name, tensor] : model.dequantize()) all += name + text_of(tensor.bytes);
    return all;
  };
  const std::string alone = all_bytes();
  std::vector<std::string> seen(4);
  std::vector<std::thread> threads;
  for (std::string& mine : seen) threads.emplace_back([&] { mine = all_bytes(); });
  for (std::thread& t : threads) t.join();
  for (const std::string& mine : seen) CHECK(mine == alone);
}
