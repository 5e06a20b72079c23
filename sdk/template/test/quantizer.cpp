// SPDX-License-Identifier: Apache-2.0
// Loads the built library as a host does and drives it: @NAME@_test <path of @NAME@.detent.so>.
#include <cmath>
#include <cstdio>
#include <map>

#include <detent/sdk/testing.hpp>

namespace testing = detent::sdk::testing;

static int failures = 0;
#define CHECK(condition) \
  if (!(condition)) ++failures, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)

// What plan said.
struct Plan {
  Plan() {
    sink = {};
    sink.struct_size = sizeof sink;
    sink.ctx = this;
    sink.target = [](const detent_plan_sink* s, const detent_qspec* q) -> int32_t {
      static_cast<Plan*>(s->ctx)->target = *q;
      return DETENT_OK;
    };
    sink.output = [](const detent_plan_sink* s, const detent_tensor_spec* t, uint32_t) -> int32_t {
      static_cast<Plan*>(s->ctx)->outputs[t->name] = t->dtype;
      return DETENT_OK;
    };
    sink.decline = [](const detent_plan_sink* s, const char* reason) -> int32_t {
      static_cast<Plan*>(s->ctx)->declined = reason;
      return DETENT_OK;
    };
    sink.meta = [](const detent_plan_sink* s, const char* key, const char* json) -> int32_t {
      static_cast<Plan*>(s->ctx)->meta[key] = json;
      return DETENT_OK;
    };
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  detent_qspec target{};
  std::map<std::string, detent_dtype> outputs;
  std::map<std::string, std::string> meta;
  std::string declined;
  detent_plan_sink sink{};
};

static void plans(const detent_plugin& plugin) {
  const testing::Params params{{"/bits", 4}};
  const testing::Quantizer q(plugin, params.config("fc.weight", nullptr));
  testing::Call call;
  const testing::Tensor weight(testing::Tensor::Zeros{}, DETENT_F32, {2, 3});
  const detent_tensor_spec spec = weight.spec("fc.weight");
  const detent_tensor_info info{sizeof info, &spec, "fc", "Linear", "weight", 8};
  Plan plan;
  CHECK(q->plan(q, call, &info, &plan.sink) == DETENT_OK);
  CHECK(plan.declined.empty());
  CHECK(plan.target.qmin == -7 && plan.target.qmax == 7);
  CHECK(plan.outputs["qweight"] == DETENT_I8 && plan.outputs["scale"] == DETENT_F32);
  CHECK(plan.meta["scheme"] == "\"detent.affine/1\"");

  const testing::Tensor bias(testing::Tensor::Zeros{}, DETENT_F32, {2});
  const detent_tensor_spec bias_spec = bias.spec("fc.bias");
  const detent_tensor_info bias_info{sizeof info, &bias_spec, "fc", "Linear", "bias", 8};
  Plan none;
  CHECK(q->plan(q, call, &bias_info, &none.sink) == DETENT_OK);
  CHECK(!none.declined.empty() && none.outputs.empty());
}

static void quantizes_and_back(const detent_plugin& plugin) {
  const testing::Params params{{"/bits", 4}};
  const testing::Quantizer q(plugin, params.config("fc.weight", nullptr));
  testing::Call call;
  // Stored column by column: row 0 is 7, -3.4, 0.5, row 1 is zeros.
  const testing::Tensor weight({2, 3}, {1, 2}, std::vector<float>{7, 0, -3.4F, 0, 0.5F, 0});
  testing::Store none, made;
  CHECK(q->quantize(q, call, weight, none.source(), made.sink()) == DETENT_OK);
  CHECK((made.values<float>("scale") == std::vector<float>{1, 1}));
  CHECK((made.values<int8_t>("qweight") == std::vector<int8_t>{7, -3, 0, 0, 0, 0}));
  const testing::Tensor back(testing::Tensor::Zeros{}, DETENT_F32, {2, 3});
  CHECK(q->dequantize(q, call, made.source(), back) == DETENT_OK);
  CHECK((back.values<float>() == std::vector<float>{7, -3, 0, 0, 0, 0}));
}

static void takes_an_observers_scales(const detent_plugin& plugin) {
  const testing::Params params;
  const testing::Quantizer q(plugin, params.config("fc.weight", nullptr));
  testing::Call call;
  const testing::Tensor weight({2, 1}, std::vector<float>{200, 1});
  testing::Store stats, made;
  stats.put("scale", {2}, std::vector<float>{1, 0.5F});
  CHECK(q->quantize(q, call, weight, stats.source(), made.sink()) == DETENT_OK);
  CHECK((made.values<int8_t>("qweight") == std::vector<int8_t>{127, 2}));
}

static void refuses_what_it_cannot_serve(const detent_plugin& plugin) {
  const testing::Params params;
  const testing::Quantizer q(plugin, params.config("fc.weight", nullptr));
  testing::Call call;
  testing::Store none, one, two, three;
  const testing::Tensor nan({2, 1}, std::vector<float>{1, NAN});
  CHECK(q->quantize(q, call, nan, none.source(), one.sink()) == DETENT_E_NUMERIC);
  CHECK(call.message.find("row 1") != std::string::npos);
  const testing::Tensor integers({2, 1}, std::vector<int32_t>{1, 2});
  CHECK(q->quantize(q, call, integers, none.source(), two.sink()) == DETENT_E_UNSUPPORTED);
  const testing::Tensor out(testing::Tensor::Zeros{}, DETENT_F32, {2, 1});
  CHECK(q->dequantize(q, call, none.source(), out) == DETENT_E_INVALID_ARG);
  call.cancel = true;
  const testing::Tensor weight({2, 1}, std::vector<float>{1, 2});
  CHECK(q->quantize(q, call, weight, none.source(), three.sink()) == DETENT_E_CANCELLED);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const testing::Library library{std::string(argv[1])};
  const detent_plugin& plugin = library.plugin("@ID@");
  plans(plugin);
  quantizes_and_back(plugin);
  takes_an_observers_scales(plugin);
  refuses_what_it_cannot_serve(plugin);
  return failures == 0 ? 0 : 1;
}
