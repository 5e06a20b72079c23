// SPDX-License-Identifier: Apache-2.0
// Loads the built library as a host does and drives it: @NAME@_test <path of @NAME@.detent.so>.
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
  return result.find("scale") != nullptr ? result.values<float>("scale") : std::vector<float>();
}

static void observes_channels(const detent_plugin& plugin) {
  const detent_qspec target = int8_target(DETENT_PER_CHANNEL);
  const testing::Params params{{"/margin", 2.0}};
  const testing::Observer o(plugin, params.config("fc.weight", &target));
  testing::Call call;
  const testing::Tensor x({2, 2}, std::vector<float>{1, -127, NAN, 63.5F});
  CHECK(o->observe(o, call, x) == DETENT_OK);
  CHECK((scales(o, target) == std::vector<float>{2, 1}));
}

// A transposed view: columns of what is stored are its rows.
static void follows_strides(const detent_plugin& plugin) {
  const detent_qspec target = int8_target(DETENT_PER_CHANNEL);
  const testing::Params params;
  const testing::Observer o(plugin, params.config("fc.weight", &target));
  testing::Call call;
  const testing::Tensor x({2, 2}, {1, 2}, std::vector<float>{127, 254, -508, 0});
  CHECK(o->observe(o, call, x) == DETENT_OK);
  CHECK((scales(o, target) == std::vector<float>{4, 2}));
}

static void refuses_what_it_cannot_serve(const detent_plugin& plugin) {
  const detent_qspec target = int8_target(DETENT_PER_TENSOR);
  const testing::Params params;
  const testing::Observer o(plugin, params.config("fc.weight", &target));
  testing::Call call;
  testing::Store result;
  CHECK(o->compute_qparams(o, call, &target, result.sink()) == DETENT_E_NOT_READY);
  CHECK(call.message.find("no finite value") == 0);
  const testing::Tensor longs({1}, std::vector<int64_t>{1});
  CHECK(o->observe(o, call, longs) == DETENT_E_UNSUPPORTED);
  CHECK(call.message.find("dtype") != std::string::npos);
  detent_qspec groups = int8_target(DETENT_PER_GROUP);
  groups.group_size = 32;
  try {
    const testing::Observer never(plugin, params.config("fc.weight", &groups));
    CHECK(!"a target per group was accepted");
  } catch (const detent::sdk::Error& e) {
    CHECK(e.code() == DETENT_E_UNSUPPORTED);
  }
}

static void merges(const detent_plugin& plugin) {
  const detent_qspec target = int8_target(DETENT_PER_TENSOR);
  const testing::Params params;
  const testing::Observer fresh(plugin, params.config("", &target));
  const testing::Observer other(plugin, params.config("", &target));
  testing::Call call;
  const testing::Tensor x({2}, std::vector<float>{-254, 1});
  CHECK(other->observe(other, call, x) == DETENT_OK);
  CHECK(fresh->merge(fresh, call, other) == DETENT_OK);
  CHECK(scales(fresh, target) == std::vector<float>{2});
}

static void restores_its_state(const detent_plugin& plugin) {
  const detent_qspec target = int8_target(DETENT_PER_TENSOR);
  const testing::Params params;
  const testing::Observer first(plugin, params.config("", &target));
  const testing::Observer second(plugin, params.config("", &target));
  testing::Call call;
  const testing::Tensor x({2}, std::vector<float>{-254, 1});
  CHECK(first->observe(first, call, x) == DETENT_OK);
  testing::Stream state({}, 3);  // takes and gives three bytes at a time
  CHECK(first->save_state(first, call, state.out()) == DETENT_OK);
  CHECK(second->load_state(second, call, state.in()) == DETENT_OK);
  CHECK(scales(second, target) == std::vector<float>{2});
  testing::Stream broken(state.bytes.substr(0, 9));
  CHECK(second->load_state(second, call, broken.in()) == DETENT_E_BAD_STATE);
  testing::Store result;
  CHECK(second->compute_qparams(second, call, &target, result.sink()) == DETENT_E_NOT_READY);
  const detent_istream torn = {
      nullptr, [](const detent_istream*, void*, uint64_t) -> int64_t { return -1; }};
  CHECK(second->load_state(second, call, &torn) == DETENT_E_IO);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const testing::Library library{std::string(argv[1])};
  const detent_plugin& plugin = library.plugin("@ID@");
  observes_channels(plugin);
  follows_strides(plugin);
  refuses_what_it_cannot_serve(plugin);
  merges(plugin);
  restores_its_state(plugin);
  return failures == 0 ? 0 : 1;
}
