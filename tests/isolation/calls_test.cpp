// SPDX-License-Identifier: Apache-2.0
// Plugins in processes of their own, as instances: what goes there and comes back.
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "config/schema.hpp"
#include "isolate/isolation.hpp"
#include "plugin/instance.hpp"
#include "plugin/registry.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

namespace fs = std::filesystem;

struct Plugins {
  Registry registry;
  ThreadPool pool{2};
  IsolationLimits limits{std::chrono::seconds(60), 0};

  Plugins() {
    ::setenv("DETENT_PLUGIN_WORKER", DETENT_PLUGIN_WORKER, 1);
    registry = Registry::scan({{DETENT_TEST_PLUGINS, "installation", true},
                               {fs::path(DETENT_HOSTILE_PLUGIN).parent_path(), "test", false}});
  }
  const Plugin& here(PluginKind kind, const char* id) const { return registry.get(kind, id); }
  const Plugin& there(PluginKind kind, const char* id) const {
    return registry.isolated(here(kind, id), limits);
  }
};

QuantTarget per_channel() {
  QuantTarget target;
  target.spec.qdtype = DETENT_I8;
  target.spec.scale_dtype = DETENT_F32;
  target.spec.zero_dtype = DETENT_I8;
  target.spec.symmetric = 1;
  target.spec.granularity = DETENT_PER_CHANNEL;
  target.spec.qmin = -127;
  target.spec.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

struct Ramp : HostTensor {
  explicit Ramp(std::vector<std::int64_t> extents)
      : HostTensor("x", DETENT_F32, std::move(extents)) {
    auto* values = reinterpret_cast<float*>(bytes().data());
    for (std::uint64_t i = 0; i < numel(); ++i)
      values[i] = std::sin(static_cast<float>(i) * 0.37F) * 3;
  }
};

json::Object defaults_of(const Plugin& plugin, const char* role) {
  return with_defaults({}, plugin.params_schema, role);
}

std::string bytes_of(const TensorStore& store, const char* name) {
  const auto bytes = store.find(name)->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Observer make(const Plugins& p, const Plugin& plugin, const QuantTarget& target,
              std::uint32_t role = DETENT_ROLE_WEIGHT) {
  return {plugin,
          const_cast<ThreadPool&>(p.pool),
          {.params = defaults_of(plugin, "weight"), .target = "x", .role = role, .qspec = &target}};
}

}  // namespace

TEST_CASE("an observer elsewhere says the same as one here", "[isolation]") {
  const Plugins p;
  const QuantTarget target = per_channel();
  const Ramp x({8, 300});
  TensorStore here;
  TensorStore there;
  for (const char* id : {"minmax", "histogram", "mse"}) {
    Observer one = make(p, p.here(PluginKind::observer, id), target);
    Observer other = make(p, p.there(PluginKind::observer, id), target);
    one.observe(x.read_only());
    other.observe(x.read_only());
    one.compute_qparams(target, here);
    other.compute_qparams(target, there);
    INFO(id);
    CHECK(bytes_of(here, "scale") == bytes_of(there, "scale"));
    CHECK(one.save_state() == other.save_state());
    CHECK(one.can_merge() == other.can_merge());
    CHECK(one.provides("stat:minmax/1") == other.provides("stat:minmax/1"));
  }
}

TEST_CASE("strided and empty tensors arrive as they are", "[isolation]") {
  const Plugins p;
  const QuantTarget target = per_channel();
  const Ramp x({6, 8});
  // Columns backwards, every second row.
  const std::vector<std::int64_t> shape{3, 8};
  const std::vector<std::int64_t> strides{16, -1};
  detent_tensor view = x.read_only();
  view.shape = shape.data();
  view.strides = strides.data();
  view.byte_offset = 7 * sizeof(float);
  Observer one = make(p, p.here(PluginKind::observer, "minmax"), target);
  Observer other = make(p, p.there(PluginKind::observer, "minmax"), target);
  const HostTensor empty("e", DETENT_F32, {3, 0});
  for (Observer* o : {&one, &other}) {
    o->observe(view);
    o->observe(empty.read_only());
  }
  CHECK(one.save_state() == other.save_state());
}

TEST_CASE("states go from one process to another, and are merged across them", "[isolation]") {
  const Plugins p;
  const QuantTarget target = per_channel();
  const Plugin& minmax = p.there(PluginKind::observer, "minmax");
  const Ramp x({4, 50});
  Observer first = make(p, minmax, target);
  Observer second = make(p, minmax, target);  // of another process: each has one alone
  first.observe(x.read_only());
  second.merge(first);
  CHECK(second.save_state() == first.save_state());
  Observer third = make(p, minmax, target, DETENT_ROLE_ACTIVATION);
  Observer fourth = make(p, minmax, target, DETENT_ROLE_ACTIVATION);  // of the same one
  third.load_state(first.save_state());
  fourth.merge(third);
  CHECK(fourth.save_state() == first.save_state());
}

TEST_CASE("results that are larger than what is kept for them come back whole", "[isolation]") {
  const Plugins p;
  const Plugin& here = p.here(PluginKind::quantizer, "int8");
  const Ramp x({2000, 2000});
  const Ramp small({2, 2});
  TensorStore stats;
  const auto codes = [&](const Plugin& plugin, const HostTensor& weight) {
    Quantizer quantizer(
        plugin, const_cast<ThreadPool&>(p.pool),
        {.params = defaults_of(plugin, "weight"), .target = "x", .role = DETENT_ROLE_WEIGHT});
    quantizer.plan({"x", DETENT_F32, weight.shape(), "x", "Linear", "weight", weight.numel()});
    TensorStore out;
    quantizer.quantize(weight.read_only(), stats, out);
    HostTensor back("x", DETENT_F32, weight.shape());
    quantizer.dequantize(out, back.view());
    const auto bytes = back.bytes();
    return bytes_of(out, "qweight") +
           std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const Plugin& there = p.registry.isolated(here, p.limits);
  CHECK(codes(here, x) == codes(there, x));
  CHECK(codes(here, small) == codes(there, small));
}

TEST_CASE("what a plugin refuses elsewhere is the same error as here", "[isolation]") {
  const Plugins p;
  const QuantTarget target = per_channel();
  const auto refusal = [&](const Plugin& plugin) -> std::string {
    Observer observer = make(p, plugin, target);
    TensorStore out;
    try {
      observer.compute_qparams(target, out);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const std::string here = refusal(p.here(PluginKind::observer, "minmax"));
  CHECK(!here.empty());
  CHECK(refusal(p.there(PluginKind::observer, "minmax")) == here);
}

TEST_CASE("an instance whose process is gone fails, and the next one has another", "[isolation]") {
  const Plugins p;
  const QuantTarget target = per_channel();
  const Plugin& plugin = p.there(PluginKind::observer, "hostile.observer");
  const Ramp x({4, 5});
  InstanceConfig config{.params = defaults_of(plugin, "weight"),
                        .target = "x",
                        .role = DETENT_ROLE_WEIGHT,
                        .qspec = &target};
  config.params.set("do", "segfault");
  Observer bad(plugin, const_cast<ThreadPool&>(p.pool), config);
  CHECK_THROWS_AS(bad.observe(x.read_only()), Error);
  CHECK_THROWS_AS(bad.save_state(), Error);
  Observer good = make(p, plugin, target);
  good.observe(x.read_only());
  CHECK(!good.save_state().empty());
}

TEST_CASE("what can be isolated is told, and what it is kept in", "[isolation]") {
  ::setenv("DETENT_PLUGIN_WORKER", DETENT_PLUGIN_WORKER, 1);
  const IsolationFacts facts = describe_isolation();
  CHECK(facts.isolation.substr(0, 7) == "process");
  ::setenv("DETENT_PLUGIN_WORKER", "/nowhere", 1);
  CHECK(describe_isolation().isolation.empty());
  ::setenv("DETENT_PLUGIN_WORKER", DETENT_PLUGIN_WORKER, 1);
}

}  // namespace detent::test
