// SPDX-License-Identifier: Apache-2.0
// quantize: rules and tensors in memory -> plan -> codes in memory.
#include <map>

#include "api/boundary.hpp"
#include "api/memory_model.hpp"
#include "api/quantized_model.hpp"
#include "artifact/artifact.hpp"
#include "plan/plan.hpp"
#include "plugin/search_path.hpp"
#include "quantize/findings.hpp"

namespace detent {
namespace {

using Impl = QuantizedModel::Impl;

std::shared_ptr<Impl> read_rules(const QuantizeOptions& options) {
  Config config = parse_rules(options.rules);
  auto impl = std::make_shared<Impl>(
      Registry::scan(plugin_search_path(config.plugin_search, options.plugin_folders), config.pins,
                     plugin_cache_file(), trust_of(config), listing_of(config)));
  impl->config = std::move(config);
  impl->threads = options.threads != 0 ? options.threads : impl->config.threads;
  check_plugins(impl->config, impl->registry);
  return impl;
}

QuantizedTensor describe(const Plan& plan, const TensorPlan& t, const TensorInfo& info) {
  QuantizedTensor tensor;
  tensor.name = info.name;
  tensor.dtype = info.dtype;
  tensor.shape = info.shape;
  tensor.layer = info.layer;
  tensor.layer_type = plan.layers[t.layer].type;
  tensor.reason = t.reason;
  return tensor;
}

TensorResult quantize_one(const TensorPlan& t, const TensorInfo& info, const HostTensor& weight,
                          QuantizedTensor tensor, ThreadPool& pool, Impl& impl) {
  const auto outputs = std::make_shared<TensorStore>();
  const TensorResult result = quantize_tensor(t, info, weight, pool, *outputs);
  tensor.quantizer = t.scheme->quantizer.plugin->id;
  tensor.sqnr_db = result.error.sqnr_db();
  std::vector<std::pair<std::string, std::string>> names;
  for (const StoredName& s : t.stored) names.emplace_back(s.output, s.name);
  const auto back = [scheme = t.scheme, name = info.name](const TensorStore& stored,
                                                          ThreadPool& threads, HostTensor& out) {
    make_quantizer(*scheme, name, threads).dequantize(stored, out.view());
  };
  impl.add_quantized(std::move(tensor), {outputs, back}, names);
  return result;
}

}  // namespace

QuantizedModel quantize(std::span<const LentTensor> tensors, const QuantizeOptions& options) {
  return at_boundary([&] {
    const MemoryModel model(tensors);
    const std::shared_ptr<Impl> impl = read_rules(options);
    ThreadPool pool(impl->threads);
    const Plan plan = make_plan(impl->config, model, nullptr, pool);
    impl->warnings = plan.warnings;
    Remarks remarks;
    std::map<std::size_t, TensorResult> results;
    for (const TensorPlan& t : plan.tensors) {
      const TensorInfo& info = model.tensors()[t.tensor];
      auto data = read_tensor(model, info);
      QuantizedTensor tensor = describe(plan, t, info);
      if (t.quantize) {
        const TensorResult result = quantize_one(t, info, *data, std::move(tensor), pool, *impl);
        remark_on_tensor(t, info, result, remarks);
        results.emplace(t.tensor, result);
      } else {
        impl->add_kept(std::move(tensor), std::move(data));
      }
    }
    remark_on_gain(impl->config, plan, results, remarks);
    for (Warning& warning : remarks.warnings) impl->warnings.push_back(std::move(warning));
    return QuantizedModel(impl);
  });
}

}  // namespace detent
