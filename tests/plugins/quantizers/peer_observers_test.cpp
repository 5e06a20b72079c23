// SPDX-License-Identifier: Apache-2.0
// Observers that aim at the target of a convention, against the peers' own observers.
#include <bit>
#include <cfloat>
#include <cstdlib>
#include <set>

#include "plugins/quantizers/quantizing.hpp"
#include "support/catch.hpp"
#include "support/sha256.hpp"
#include "support/vectors.hpp"

namespace detent::test {
namespace {

// What an int8 activation with this convention aims at.
detent_qspec target_of(const char* convention, const json::Value& params) {
  const bool is_unsigned = int_at(params, "/qmin") == 0;
  const json::Value* axis = params.at_pointer("/ch_axis");
  Params wanted{{"/convention", convention},
                {"/dtype", is_unsigned ? "uint8" : "int8"},
                {"/symmetric", *member(params, "/symmetric").if_bool()},
                {"/granularity", axis == nullptr ? "per_tensor" : "per_channel"}};
  if (axis != nullptr) wanted.set({"/axis", static_cast<int>(int_at(params, "/ch_axis"))});
  Quantizer quantizer("int8", wanted, Order::forward, DETENT_ROLE_ACTIVATION);
  return *quantizer.plan({16, 64, 8, 8}).target;
}

struct Answer {
  std::vector<float> scale;
  std::vector<std::int64_t> zero_point;
  bool operator==(const Answer&) const = default;
};

std::vector<std::int64_t> zero_points(const Results& results, std::size_t n) {
  if (!results.has("zero_point")) return std::vector<std::int64_t>(n, 0);
  std::vector<std::int64_t> zeros;
  const bool is_signed = results.tensor("zero_point").dtype() == DETENT_I8;
  for (const std::uint8_t byte : results.tensor("zero_point").bytes())
    zeros.push_back(is_signed ? std::int64_t{static_cast<std::int8_t>(byte)} : byte);
  return zeros;
}

Answer observe(const json::Value& c, const detent_qspec& target) {
  const bool ema = text_at(c, "/observer") == "moving_average";
  const Params params =
      ema ? Params{{"/averaging_constant", number_at(c, "/params/averaging_constant")}} : Params{};
  const char* id = ema ? "ema" : "minmax";
  Observer observer(Library::built_in(id).plugin(id), params, target);
  for (const Tensor& batch : vector_input(text_at(c, "/input"))) observer.observe(batch);
  const Results got = observer.qparams();
  const auto scale = got.values<float>("scale");
  return {scale, zero_points(got, scale.size())};
}

// Nothing when the peer gave an error, or a scale that is no number.
std::optional<Answer> answer_of(const json::Value& c, const std::string& peer) {
  const json::Value* found = c.at_pointer("/expected/" + peer);
  if (found == nullptr || found->at_pointer("/scale_f32_hex") == nullptr) return std::nullopt;
  Answer answer;
  for (const std::string& hex : texts_at(*found, "/scale_f32_hex")) {
    const auto bits = static_cast<std::uint32_t>(std::strtoul(hex.c_str(), nullptr, 16));
    answer.scale.push_back(std::bit_cast<float>(bits));
    if (!std::isfinite(answer.scale.back())) return std::nullopt;
  }
  answer.zero_point = ints_at(*found, "/zero_point");
  return answer;
}

// Why a case cannot be compared; empty when it can.
std::string why_not(const json::Value& c, const std::string& peer) {
  bool empty = true;
  for (const Tensor& batch : vector_input(text_at(c, "/input")))
    for (const float x : batch.values<float>()) {
      empty = false;
      // Peers let NaN and infinity through, or lose the batch. Ours leave such values out.
      if (!std::isfinite(x)) return "data not finite";
    }
  // torch.ao gives scale 1 and a warning. Ours refuse to go on.
  if (empty) return "no data";
  if (!answer_of(c, peer)) return "infinite scale";
  return {};
}

// Compares all cases that can be, and gives the others: input and reason.
struct Compared {
  std::size_t cases = 0;
  std::set<std::pair<std::string, std::string>> not_compared;
};

Compared compare(const char* convention, bool ema_too) {
  Compared compared;
  for (const json::Value& c : vector_cases("cases.json")) {
    const std::string observer = text_at(c, "/observer");
    if (observer != "minmax" && (observer != "moving_average" || !ema_too)) continue;
    const bool per_channel = c.at_pointer("/params/ch_axis") != nullptr;
    if (per_channel && !ema_too) continue;  // ONNX Runtime calibrates per tensor here
    INFO(text_at(c, "/id") << " by " << convention);
    const std::string reason = why_not(c, convention);
    if (!reason.empty()) {
      compared.not_compared.emplace(text_at(c, "/input"), reason);
      continue;
    }
    const Answer got = observe(c, target_of(convention, member(c, "/params")));
    const Answer expected = *answer_of(c, convention);
    CHECK(got.scale == expected.scale);
    CHECK(got.zero_point == expected.zero_point);
    ++compared.cases;
  }
  return compared;
}

const std::set<std::pair<std::string, std::string>> kNotComparable = {
    {"inputs/empty.safetensors", "no data"},
    {"inputs/inf_both.safetensors", "data not finite"},
    {"inputs/inf_pos.safetensors", "data not finite"},
    {"inputs/nan_all.safetensors", "data not finite"},
    {"inputs/nan_second_batch.safetensors", "data not finite"},
    {"inputs/nan_some.safetensors", "data not finite"}};

}  // namespace

TEST_CASE("minmax and ema have the bits of torch.ao's observers wherever those are finite") {
  const Compared compared = compare("torch_ao", true);
  CHECK(compared.cases == 54);
  auto expected = kNotComparable;
  expected.emplace("inputs/huge_overflow.safetensors", "infinite scale");  // ours stays finite
  CHECK(compared.not_compared == expected);
}

TEST_CASE("minmax has the bits of ONNX Runtime's calibration wherever that is finite") {
  const Compared compared = compare("onnxruntime", false);
  CHECK(compared.cases == 32);
  CHECK(compared.not_compared == kNotComparable);
}

TEST_CASE("minmax has the bits of compressed-tensors' and TensorRT's scales of a tensor") {
  std::size_t checked = 0;
  for (const json::Value& c : vector_cases("peers.json")) {
    if (c.at_pointer("/bits") != nullptr) continue;
    const std::string convention = text_at(c, "/convention");
    INFO(text_at(c, "/input") << " by " << convention);
    Quantizer quantizer("int8",
                        {{"/convention", convention.c_str()},
                         {"/granularity", "per_tensor"},
                         {"/symmetric", *member(c, "/symmetric").if_bool()}},
                        Order::forward, DETENT_ROLE_ACTIVATION);
    Observer observer(Library::built_in("minmax").plugin("minmax"), {},
                      *quantizer.plan({1}).target);
    for (const Tensor& batch : vector_input(text_at(c, "/input"))) observer.observe(batch);
    const Results got = observer.qparams();
    const auto bits = std::bit_cast<std::array<std::uint8_t, 4>>(got.values<float>("scale").at(0));
    CHECK(sha256_hex({bits.begin(), bits.end()}) == text_at(c, "/scales_sha256"));
    CHECK(zero_points(got, 1).at(0) == int_at(c, "/first_zero_point"));
    ++checked;
  }
  CHECK(checked == 42);
}

TEST_CASE("a float32 target makes ema average in float32") {
  // 0.1 * (1 - 0.3) in float32 and float64, from torch: 0.3 + 0.1 * (1 - 0.3)
  detent_qspec target = qspec(-128, 127, true);
  const auto maximum = [&](std::uint64_t rules) {
    target.affine_rules = rules;
    Observer observer(Library::built_in("ema").plugin("ema"), {{"/averaging_constant", 0.1}},
                      target);
    for (const float x : {0.3F, 1.0F}) observer.observe(Tensor::of<float>({1}, {x}));
    return observer.stat("stat:minmax/1").values<double>("max").at(0);
  };
  const float in_float = 0.3F + 0.1F * (1.0F - 0.3F);
  CHECK(maximum(DETENT_AFFINE_FLOAT32) == double{in_float});
  CHECK(maximum(0) == 0.9 * double{0.3F} + 0.1 * 1.0);
  CHECK(maximum(0) != maximum(DETENT_AFFINE_FLOAT32));
}

TEST_CASE("a float32 average never loses its range") {
  detent_qspec target = qspec();
  target.affine_rules = DETENT_AFFINE_FLOAT32;
  std::mt19937 random(3);
  std::uniform_int_distribution<int> step(0, 3);
  for (const double constant : {0.01, 0.1, 0.3, 0.7, 0.99}) {
    Observer observer(Library::built_in("ema").plugin("ema"), {{"/averaging_constant", constant}},
                      target);
    for (int i = 0; i < 300; ++i) {  // ranges of a few ulps
      const float lo = 1.0F + static_cast<float>(step(random)) * FLT_EPSILON;
      const float hi = lo + static_cast<float>(step(random)) * FLT_EPSILON;
      observer.observe(Tensor::of<float>({2}, {lo, hi}));
      const Results range = observer.stat("stat:minmax/1");
      REQUIRE(range.values<double>("min")[0] <= range.values<double>("max")[0]);
      REQUIRE(range.values<double>("min")[0] > 0.9);
    }
  }
}

TEST_CASE("observers refuse a rule that they do not know") {
  detent_qspec target = qspec();
  target.affine_rules = DETENT_AFFINE_ALL + 1;
  Observer observer(Library::built_in("minmax").plugin("minmax"), {}, target);
  observer.observe(Tensor::of<float>({1}, {1.0F}));
  Results out;
  CHECK(observer.try_qparams(target, out) == DETENT_E_UNSUPPORTED);
}

}  // namespace detent::test
