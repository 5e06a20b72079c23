// SPDX-License-Identifier: Apache-2.0
// open_artifact: a file's tensors and records as a QuantizedModel.
#include <fmt/format.h>

#include "api/boundary.hpp"
#include "api/quantized_model.hpp"
#include "artifact/artifact.hpp"
#include "plugin/search_path.hpp"

namespace detent {
namespace {

using Impl = QuantizedModel::Impl;

std::optional<double> sqnr_of(const json::Value& metrics, const std::string& tensor) {
  const json::Value* db = metrics.at_pointer("/sqnr_db" + json::pointer_step(tensor));
  if (db == nullptr) return std::nullopt;
  double value = 0;
  if (db->to_double(&value)) return value;
  // What JSON has no number for, see json::number.
  const std::string* text = db->if_string();
  if (text == nullptr) return std::nullopt;
  if (*text == "inf") return std::numeric_limits<double>::infinity();
  if (*text == "-inf") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

void add_record(const Artifact& artifact, const TensorRecord& record, const json::Value& metrics,
                Impl& impl) {
  const auto outputs = std::make_shared<TensorStore>();
  artifact.load(record, *outputs);
  QuantizedTensor tensor;
  tensor.name = record.name;
  tensor.dtype = record.dtype;
  tensor.shape = record.shape;
  tensor.layer = record.layer;
  tensor.layer_type = record.layer_type;
  tensor.quantizer = record.scheme.quantizer.id;
  tensor.sqnr_db = sqnr_of(metrics, record.name);
  std::vector<std::pair<std::string, std::string>> names;
  const std::vector<std::string> stored = record.stored_names();
  for (std::size_t i = 0; i < stored.size(); ++i)
    names.emplace_back(record.scheme.outputs[i], stored[i]);
  // The registry is the model's own and outlives what is made of it.
  const auto back = [record, &registry = impl.registry](const TensorStore& outputs_of,
                                                        ThreadPool& pool, HostTensor& out) {
    dequantize(record, outputs_of, registry, pool, out);
  };
  impl.add_quantized(std::move(tensor), {outputs, back}, names);
}

void add_kept(const Artifact& artifact, const TensorInfo& info, Impl& impl) {
  QuantizedTensor tensor;
  tensor.name = info.name;
  tensor.dtype = info.dtype;
  tensor.shape = info.shape;
  tensor.layer = info.layer;
  tensor.layer_type = info.type;
  impl.add_kept(std::move(tensor), read_tensor(artifact.model(), info));
}

}  // namespace

QuantizedModel open_artifact(const std::filesystem::path& path, const OpenOptions& options) {
  return at_boundary([&] {
    const Artifact artifact = Artifact::open(path);
    const auto impl = std::make_shared<Impl>(
        Registry::scan(plugin_search_path({}, options.plugin_folders), {}, plugin_cache_file()));
    impl->threads = options.threads;
    const json::Value metrics = artifact.is_quantized() && !artifact.is_foreign()
                                    ? artifact.group(kMetricsKey)
                                    : json::Value();
    for (const TensorRecord& record : artifact.records())
      add_record(artifact, record, metrics, *impl);
    for (const TensorInfo* info : artifact.kept()) add_kept(artifact, *info, *impl);
    impl->aliases = artifact.aliases();
    if (!artifact.is_quantized()) impl->aliases = artifact.model().aliases();
    for (const LostWeight& w : artifact.lost())
      impl->warnings.push_back({"weight_lost",
                                fmt::format("\"{}\" cannot be computed: {}", w.name, w.reason),
                                {.tensor = w.name}});
    return QuantizedModel(impl);
  });
}

}  // namespace detent
