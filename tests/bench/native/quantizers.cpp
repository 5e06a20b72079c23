// SPDX-License-Identifier: Apache-2.0
// Quantizers through the ABI, with ranges of their own or of an observer, and the way back.
#include <stdexcept>

#include "works.hpp"

namespace detent::bench {
namespace {

struct Case {
  const char* subject;
  const char* plugin;
  const char* params;
};

struct Setup {
  std::shared_ptr<const HostTensor> x;
  QuantizerPlan plan;
  std::unique_ptr<Quantizer> quantizer;
  TensorStore codes;
};

std::shared_ptr<Setup> set_up(const Case& c, detent_dtype dtype, const Size& size,
                              unsigned threads) {
  auto setup = std::make_shared<Setup>();
  setup->x = weight(dtype, size);
  const Plugin& plugin = plugins().get(PluginKind::quantizer, c.plugin);
  const InstanceConfig config = instance_config(plugin, c.params, DETENT_ROLE_WEIGHT);
  setup->quantizer = std::make_unique<Quantizer>(plugin, pool(threads), config);
  setup->plan = setup->quantizer->plan({"layer.weight",
                                        dtype,
                                        {size.rows, size.columns},
                                        "layer",
                                        "Linear",
                                        "weight",
                                        static_cast<std::uint64_t>(size.rows * size.columns)});
  if (!setup->plan.declined.empty()) throw std::runtime_error(setup->plan.declined);
  return setup;
}

std::uint64_t bytes_of(detent_dtype dtype, const Size& size) {
  return static_cast<std::uint64_t>(size.rows * size.columns) * DETENT_DTYPE_BITS(dtype) / 8;
}

void add_quantize(std::vector<Work>& works, const Case& c, detent_dtype dtype, const Size& size,
                  unsigned threads) {
  const auto make = [=]() -> std::function<void()> {
    auto setup = set_up(c, dtype, size, threads);
    return [setup] {
      const TensorStore none;
      setup->quantizer->quantize(setup->x->read_only(), none, setup->codes);
    };
  };
  works.push_back({work_name(c.subject, dtype, size, threads), bytes_of(dtype, size), make});
}

// In blocks of 1 MiB, as a run goes through a weight; each thread takes its share of the rows.
void add_blocks(std::vector<Work>& works, const Case& c, unsigned threads) {
  constexpr Size kBlock{"block", 64, 4096};
  const auto make = [=]() -> std::function<void()> {
    auto x = weight(DETENT_F32, kLarge);
    std::vector<std::shared_ptr<Setup>> setups;
    for (unsigned t = 0; t < threads; ++t) setups.push_back(set_up(c, DETENT_F32, kBlock, 1));
    return [=] {
      const std::int64_t share = kLarge.rows / static_cast<std::int64_t>(threads);
      pool(threads).parallel_for(threads, [&](std::uint64_t t) {
        const TensorStore none;
        for (std::int64_t row = 0; row < share; row += kBlock.rows) {
          detent_tensor rows = setups[t]->x->read_only();  // of the block's shape
          const std::int64_t first = static_cast<std::int64_t>(t) * share + row;
          rows.data = static_cast<float*>(x->view().data) + first * kLarge.columns;
          setups[t]->quantizer->quantize(rows, none, setups[t]->codes);
        }
      });
    };
  };
  works.push_back({work_name(std::string(c.subject) + "_blocks", DETENT_F32, kLarge, threads),
                   bytes_of(DETENT_F32, kLarge), make});
}

// A new observer for each weight, as in a run.
void add_observed(std::vector<Work>& works, const Case& c, unsigned threads) {
  const auto make = [=]() -> std::function<void()> {
    auto setup = set_up(c, DETENT_F32, kLarge, threads);
    return [setup, threads] {
      const Plugin& minmax = plugins().get(PluginKind::observer, "minmax");
      InstanceConfig config = instance_config(minmax, "{}", DETENT_ROLE_WEIGHT);
      config.qspec = &*setup->plan.target;
      Observer observer(minmax, pool(threads), config);
      observer.observe(setup->x->read_only());
      TensorStore stats;
      observer.compute_qparams(*setup->plan.target, stats);
      setup->quantizer->quantize(setup->x->read_only(), stats, setup->codes);
    };
  };
  works.push_back(
      {work_name(c.subject, DETENT_F32, kLarge, threads), bytes_of(DETENT_F32, kLarge), make});
}

void add_dequantize(std::vector<Work>& works, const Case& c, const Size& size, unsigned threads) {
  const auto make = [=]() -> std::function<void()> {
    auto setup = set_up(c, DETENT_F32, size, threads);
    const TensorStore none;
    setup->quantizer->quantize(setup->x->read_only(), none, setup->codes);
    auto back = std::make_shared<HostTensor>("back", DETENT_F32, setup->x->shape());
    return [setup, back] { setup->quantizer->dequantize(setup->codes, back->view()); };
  };
  works.push_back(
      {work_name(c.subject, DETENT_F32, size, threads), bytes_of(DETENT_F32, size), make});
}

constexpr const char* kGroups128 = R"({"group_size": 128})";
constexpr const char* kGroups32 = R"({"group_size": 32})";

}  // namespace

void add_quantizers(std::vector<Work>& works) {
  const Case int8{"int8_channel", "int8", "{}"};
  const Case wide{"int4_g128", "int4_groupwise", kGroups128};
  const Case narrow{"int4_g32", "int4_groupwise", kGroups32};
  const Case half{"fp16", "fp16", "{}"};
  for (const unsigned threads : {1U, 2U}) {
    for (const Case& c : {int8, wide, narrow}) {
      for (const Size& size : {kLarge, kCached}) add_quantize(works, c, DETENT_F32, size, threads);
      add_blocks(works, c, threads);
      add_quantize(works, c, DETENT_BF16, kLarge, threads);
      add_quantize(works, c, DETENT_F16, kLarge, threads);
    }
    add_quantize(works, half, DETENT_F32, kLarge, threads);
    add_observed(works, {"int8_channel_observer", "int8", "{}"}, threads);
    add_observed(works, {"int4_g128_observer", "int4_groupwise", kGroups128}, threads);
    for (const Size& size : {kLarge, kCached}) {
      add_dequantize(works, {"int8_dequantize", "int8", "{}"}, size, threads);
      add_dequantize(works, {"int4_g128_dequantize", "int4_groupwise", kGroups128}, size, threads);
    }
  }
}

}  // namespace detent::bench
