// SPDX-License-Identifier: Apache-2.0
// Loads the built library as a host does and drives it: absmax_test <path of absmax.detent.so>.
#include <cmath>
#include <cstdio>

#include <detent/sdk/testing.hpp>

namespace testing = detent::sdk::testing;

static int failures = 0;
#define CHECK(condition) \
  if (!(condition)) ++failures, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)

static detent_qspec int8_target(int32_t granularity) {
  detent_qspec target{};
  target.struct_size = sizeof target;
  target.qdtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.zero_dtype = DETENT_I8;
  target.symmetric = 1;
  target.granularity = granularity;
  target.qmin = -127;
  target.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

// What another observer with the same history would say: its scales.
static std::vector<float> scales(const testing::Observer& o, const detent_qspec& target) {
  testing::Call call;
  testing::Store result;
  CHECK(o->compute_qparams(o, call, &target, result.sink()) == DETENT_OK);
  return result.values<float>("scale");
}

static void observes_channels(const detent_plugin& absmax) {
  const detent_qspec target = int8_target(DETENT_PER_CHANNEL);
  const testing::Params params{{"/margin", 2.0}};
  const testing::Observer o(absmax, params.config("fc.weight", &target));
  testing::Call call;
  const testing::Tensor x({2, 2}, std::vector<float>{1, -127, NAN, 63.5F});
  CHECK(o->observe(o, call, x) == DETENT_OK);
  CHECK((scales(o, target) == std::vector<float>{2, 1}));
}

static void refuses_without_data(const detent_plugin& absmax) {
  const detent_qspec target = int8_target(DETENT_PER_TENSOR);
  const testing::Params params;
  const testing::Observer o(absmax, params.config("fc.weight", &target));
  testing::Call call;
  testing::Store result;
  CHECK(o->compute_qparams(o, call, &target, result.sink()) == DETENT_E_NOT_READY);
  CHECK(call.message.find("no data observed") == 0);
}

static void restores_its_state(const detent_plugin& absmax) {
  const detent_qspec target = int8_target(DETENT_PER_TENSOR);
  const testing::Params params;
  const testing::Observer first(absmax, params.config("", &target));
  const testing::Observer second(absmax, params.config("", &target));
  testing::Call call;
  const testing::Tensor x({2}, std::vector<float>{-254, 1});
  CHECK(first->observe(first, call, x) == DETENT_OK);
  testing::Stream state({}, 3);  // takes and gives three bytes at a time
  CHECK(first->save_state(first, call, state.out()) == DETENT_OK);
  CHECK(second->load_state(second, call, state.in()) == DETENT_OK);
  CHECK(scales(second, target) == std::vector<float>{2});
  testing::Stream broken(state.bytes.substr(0, 9));
  CHECK(second->load_state(second, call, broken.in()) == DETENT_E_BAD_STATE);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const testing::Library library{std::string(argv[1])};
  const detent_plugin& absmax = library.plugin("org.example.absmax");
  observes_channels(absmax);
  refuses_without_data(absmax);
  restores_its_state(absmax);
  return failures == 0 ? 0 : 1;
}
