// SPDX-License-Identifier: Apache-2.0
// Libraries that were built long ago, and such as later SDKs will build, in this host: the kept
// binaries of each version, compiler and language, and plugins.c and plugins.cpp compiled with
// headers of a later minor version. All of them have the same four plugins (binaries/README.md).
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

// Folders that hold one compat.detent.so each.
std::vector<fs::path> builds() {
  std::vector<fs::path> found;
  for (const char* root : {DETENT_KEPT_BINARIES, DETENT_NEXT_BINARIES})
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
      if (entry.path().filename() == "compat.detent.so")
        found.push_back(entry.path().parent_path());
  std::sort(found.begin(), found.end());
  return found;
}

InstanceConfig config(const char* key = nullptr, double value = 0) {
  InstanceConfig c;
  if (key != nullptr) c.params.set(key, json::Value(value));
  c.target = "fc.weight";
  c.role = DETENT_ROLE_WEIGHT;
  return c;
}

QuantTarget int8_target() {
  QuantTarget target;
  target.spec.qdtype = target.spec.zero_dtype = DETENT_I8;
  target.spec.scale_dtype = DETENT_F32;
  target.spec.symmetric = 1;
  target.spec.qmin = -127;
  target.spec.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

void fill(HostTensor& tensor, const std::vector<float>& values) {
  std::memcpy(tensor.bytes().data(), values.data(), values.size() * sizeof(float));
}

template <class T>
std::vector<T> values_of(const HostTensor* tensor) {
  REQUIRE(tensor != nullptr);
  std::vector<T> values(tensor->bytes().size() / sizeof(T));
  std::memcpy(values.data(), tensor->bytes().data(), tensor->bytes().size());
  return values;
}

// 127 * 2, and NaN that does not count.
void check_observer(const Plugin& plugin) {
  const QuantTarget target = int8_target();
  InstanceConfig c = config("margin", 2.0);
  c.qspec = &target;
  Observer first(plugin, pool(), c);
  Observer second(plugin, pool(), c);
  HostTensor x("x", DETENT_F32, {2, 2});
  fill(x, {1, -63.5F, NAN, 3});
  first.observe(x.read_only());
  fill(x, {127, 0, 0, 0});
  second.observe(x.read_only());
  REQUIRE(first.can_merge());
  first.merge(second);
  Observer restored(plugin, pool(), c);
  restored.load_state(first.save_state());
  TensorStore out;
  restored.compute_qparams(target, out);
  CHECK(values_of<float>(out.find("scale")) == std::vector<float>{2});
  CHECK_THROWS_AS(restored.load_state("short"), Error);
  restored.reset();
  CHECK_THROWS_AS(restored.compute_qparams(target, out), Error);
}

// 12.7 / 127 = 0.1: codes by hand.
void check_quantizer(const Plugin& plugin) {
  Quantizer quantizer(plugin, pool(), config());
  const QuantizerPlan bias =
      quantizer.plan({"fc.bias", DETENT_F32, {3}, "fc", "Linear", "bias", 9});
  CHECK(bias.declined == "not a matrix");
  const QuantizerPlan plan =
      quantizer.plan({"fc.weight", DETENT_F32, {2, 3}, "fc", "Linear", "weight", 9});
  CHECK(plan.outputs.size() == 2);
  HostTensor weight("fc.weight", DETENT_F32, {2, 3});
  fill(weight, {12.7F, -12.7F, 0.0F, 0.26F, -1.04F, 5.0F});
  const TensorStore none;
  TensorStore out;
  quantizer.quantize(weight.read_only(), none, out);
  CHECK(values_of<std::int8_t>(out.find("qweight")) ==
        std::vector<std::int8_t>{127, -127, 0, 3, -10, 50});
  CHECK(values_of<float>(out.find("scale")) == std::vector<float>{0.1F});
  HostTensor back("fc.weight", DETENT_F32, {2, 3});
  quantizer.dequantize(out, back.view());
  CHECK(values_of<float>(&back)[5] == Approx(5.0));
}

void check_serializer(const Plugin& plugin) {
  const TempFolder folder;
  Serializer serializer(plugin, pool(), config());
  serializer.begin(folder.path(), "model.raw");
  serializer.declare({"w", DETENT_I8, {3}});
  serializer.declare_alias("also", "w");  // which it does not know
  serializer.set_metadata("key", "\"value\"");
  HostTensor w("w", DETENT_I8, {3});
  std::memcpy(w.bytes().data(), "abc", 3);
  serializer.add_tensor("w", w.read_only());
  CHECK(serializer.finish() == std::vector<std::string>{"model.raw"});
  std::ifstream in(folder / "model.raw", std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == "w\nabc");
}

void check_validator(const Plugin& plugin) {
  const detent_metrics metrics{12.5, 0.1, 100, 30, 0, 0};
  detent_check_input in{};
  in.struct_size = sizeof in;
  in.target = "fc.weight";
  in.metrics = &metrics;
  in.is_quantized = 1;
  in.last = 1;
  Validator validator(plugin, pool(), config("min_db", 20.0));
  const std::vector<Finding> findings = validator.check(in);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].metric == "sqnr_db");
  CHECK(findings[0].value == 12.5);
  CHECK(findings[0].threshold == 20);
  CHECK(findings[0].severity == DETENT_FINDING_FAIL);
  CHECK(validator.finish({}).empty());
}

}  // namespace

TEST_CASE("a library of every version, compiler and language works in this host") {
  const std::vector<fs::path> all = builds();
  REQUIRE(all.size() >= 8);
  for (const fs::path& folder : all) {
    CAPTURE(folder);
    const Registry registry = Registry::scan({{folder, "--plugin-path", true}});
    for (const PluginProblem& problem : registry.problems()) FAIL_CHECK(problem.reason);
    REQUIRE(registry.plugins().size() >= 2);
    for (const Plugin& plugin : registry.plugins()) {
      CAPTURE(plugin.id);
      switch (plugin.kind) {
        case PluginKind::observer: check_observer(plugin); break;
        case PluginKind::quantizer: check_quantizer(plugin); break;
        case PluginKind::serializer: check_serializer(plugin); break;
        case PluginKind::validator: check_validator(plugin); break;
      }
    }
  }
}

TEST_CASE("the kept binaries say which version they were built with, and the later ones another") {
  for (const fs::path& folder : builds()) {
    CAPTURE(folder);
    const Registry registry = Registry::scan({{folder, "--plugin-path", true}});
    REQUIRE_FALSE(registry.plugins().empty());
    const Plugin& plugin = registry.plugins()[0];
    const bool is_kept = folder.string().find(DETENT_KEPT_BINARIES) == 0;
    CHECK(plugin.abi_major == 0);
    if (is_kept) CHECK(folder.parent_path().filename() == "0." + std::to_string(plugin.abi_minor));
    if (!is_kept) CHECK(plugin.abi_minor == 31);
  }
}
