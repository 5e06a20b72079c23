// SPDX-License-Identifier: Apache-2.0
// Observers through the ABI, as the framework drives them.
#include "works.hpp"

namespace detent::bench {
namespace {

QuantTarget target_of(bool per_channel) {
  QuantTarget target;
  target.spec.qdtype = DETENT_I8;
  target.spec.scale_dtype = DETENT_F32;
  target.spec.zero_dtype = DETENT_I8;
  target.spec.symmetric = 1;
  target.spec.granularity = per_channel ? DETENT_PER_CHANNEL : DETENT_PER_TENSOR;
  target.spec.qmin = -127;
  target.spec.qmax = 127;
  target.scheme = "detent.affine/1";
  return target;
}

struct Case {
  const char* subject;
  const char* plugin;
  const char* params;
  bool per_channel;
  bool fresh;  // forget what was seen before each call, as a first batch finds it
};

struct Setup {
  QuantTarget target;
  std::shared_ptr<const HostTensor> x;
  std::unique_ptr<Observer> observer;
};

std::shared_ptr<Setup> set_up(const Case& c, detent_dtype dtype, const Size& size,
                              unsigned threads) {
  auto setup = std::make_shared<Setup>();
  setup->target = target_of(c.per_channel);
  setup->x = weight(dtype, size);
  const Plugin& plugin = plugins().get(PluginKind::observer, c.plugin);
  InstanceConfig config = instance_config(plugin, c.params, DETENT_ROLE_ACTIVATION);
  config.qspec = &setup->target;
  setup->observer = std::make_unique<Observer>(plugin, pool(threads), config);
  return setup;
}

void add_observe(std::vector<Work>& works, const Case& c, detent_dtype dtype, const Size& size,
                 unsigned threads) {
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(size.rows * size.columns) * DETENT_DTYPE_BITS(dtype) / 8;
  const auto make = [c, dtype, size, threads]() -> std::function<void()> {
    auto setup = set_up(c, dtype, size, threads);
    return [setup, fresh = c.fresh] {
      if (fresh) setup->observer->reset();
      setup->observer->observe(setup->x->read_only());
    };
  };
  works.push_back({work_name(c.subject, dtype, size, threads), bytes, make});
}

// The search for the range, after one tensor was seen.
void add_search(std::vector<Work>& works, const Case& c, const Size& size, unsigned threads) {
  const auto make = [c, size, threads]() -> std::function<void()> {
    auto setup = set_up(c, DETENT_F32, size, threads);
    setup->observer->observe(setup->x->read_only());
    return [setup] {
      TensorStore out;
      setup->observer->compute_qparams(setup->target, out);
    };
  };
  works.push_back({work_name(c.subject, DETENT_F32, size, threads), 0, make});
}

constexpr const char* kHistogram = R"({"bins": 2048, "method": "kl"})";

}  // namespace

void add_observers(std::vector<Work>& works) {
  const Case tensor{"minmax_tensor", "minmax", "{}", false, false};
  const Case channel{"minmax_channel", "minmax", "{}", true, false};
  const Case histogram{"histogram", "histogram", kHistogram, false, true};
  const Case next{"histogram_next", "histogram", kHistogram, false, false};
  const Case entropy{"entropy_search", "histogram", kHistogram, false, false};
  const Case mse{"mse_search", "histogram", R"({"bins": 2048, "method": "mse"})", false, false};
  for (const unsigned threads : {1U, 2U}) {
    for (const Size& size : {kLarge, kCached})
      for (const Case& c : {tensor, channel, histogram, next})
        add_observe(works, c, DETENT_F32, size, threads);
    for (const detent_dtype dtype : {DETENT_F16, DETENT_BF16, DETENT_F64})
      add_observe(works, tensor, dtype, kLarge, threads);
    for (const Size& size : {kLarge, kCached}) {
      add_search(works, entropy, size, threads);
      add_search(works, mse, size, threads);
    }
  }
}

}  // namespace detent::bench
