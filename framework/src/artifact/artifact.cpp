// SPDX-License-Identifier: Apache-2.0
#include "artifact/artifact.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>

#include "base/dtype.hpp"
#include "json/parse.hpp"

namespace detent {
namespace {

class ModelShapes : public StoredShapes {
 public:
  explicit ModelShapes(const Model& model) : model_(model) {}
  const std::vector<std::int64_t>* shape_of(const std::string& name) const override {
    const TensorInfo* tensor = model_.find(name);
    return tensor != nullptr ? &tensor->shape : nullptr;
  }

 private:
  const Model& model_;
};

[[noreturn]] void damaged(const Model& model, const std::string& why,
                          const std::string& tensor = {}) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", model.files().front().string(), why),
              "the file was changed after it was written, or not written by detent",
              {.tensor = tensor});
}

}  // namespace

Artifact Artifact::open(const std::filesystem::path& path) {
  Artifact a;
  a.model_ = open_model(path, {});
  const json::Value quantization = a.group(kQuantizationKey);
  a.quantized_ = quantization.if_object() != nullptr;
  if (!a.quantized_) return a;
  try {
    a.records_ = records_from_json(quantization, ModelShapes(*a.model_));
    a.activations_ = activations_from_json(quantization, ModelShapes(*a.model_));
  } catch (const std::runtime_error& e) {
    damaged(*a.model_, e.what());
  }
  for (const TensorRecord& r : a.records_) a.check(r);
  return a;
}

json::Value Artifact::group(const char* key) const {
  for (const auto& [name, text] : model_->metadata()) {
    if (name != key) continue;
    try {
      return json::parse(text);
    } catch (const json::ParseError& e) {
      damaged(*model_, fmt::format("its metadata \"{}\" is no JSON: {}", key, e.what()));
    }
  }
  return {};
}

void Artifact::check(const TensorRecord& r) const {
  std::uint64_t stored_bytes = 0;
  for (const std::string& output : r.scheme.outputs) {
    const TensorInfo* stored = model_->find(stored_name(r.name, output));
    if (stored == nullptr)
      damaged(*model_, fmt::format("tensor \"{}\" is missing", stored_name(r.name, output)),
              r.name);
    stored_bytes += stored->nbytes;
    if (output != "qweight") continue;
    const bool packed = DETENT_DTYPE_BITS(r.scheme.code_dtype) < 8;
    const detent_dtype expected = packed ? DETENT_U8 : r.scheme.code_dtype;
    const std::uint64_t bytes = detent_nbytes(
        r.scheme.code_dtype, static_cast<std::int32_t>(r.code_shape.size()), r.code_shape.data());
    if (stored->dtype != expected || stored->nbytes != bytes)
      damaged(*model_,
              fmt::format("\"{}\" is {} of {} bytes, and its metadata say {} of {} bytes", r.name,
                          dtype_name(stored->dtype), stored->nbytes,
                          dtype_name(r.scheme.code_dtype), bytes),
              r.name);
  }
  // No scheme stores more than 64 values in a byte; a shape that claims so is a trap for memory.
  const std::uint64_t values =
      detent_nbytes(DETENT_U8, static_cast<std::int32_t>(r.shape.size()), r.shape.data());
  if (values / 64 > stored_bytes)
    damaged(
        *model_,
        fmt::format("{} bytes cannot hold the {} values of \"{}\"", stored_bytes, values, r.name),
        r.name);
}

const TensorRecord* Artifact::record(const std::string& tensor) const {
  const auto it = std::find_if(records_.begin(), records_.end(),
                               [&](const TensorRecord& r) { return r.name == tensor; });
  return it == records_.end() ? nullptr : &*it;
}

std::vector<std::pair<std::string, std::string>> Artifact::aliases() const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [key, text] : model_->metadata()) {
    if (key != kAliasesKey) continue;
    json::Value names;
    try {
      names = json::parse(text);
    } catch (const json::ParseError&) {
      return {};  // a key of the original's own, with another meaning
    }
    if (names.if_object() == nullptr) return {};
    for (const json::Member& m : *names.if_object()) {
      const std::string* name = m.value.if_string();
      if (name != nullptr && model_->find(*name) != nullptr && model_->find(m.key) == nullptr)
        found.emplace_back(m.key, *name);
    }
  }
  return found;
}

std::vector<const TensorInfo*> Artifact::kept() const {
  std::unordered_set<std::string> of_records;
  for (const TensorRecord& r : records_)
    for (const std::string& output : r.scheme.outputs)
      of_records.insert(stored_name(r.name, output));
  for (const ActivationRecord& activation : activations_)
    for (const std::string& name : activation.stored()) of_records.insert(name);
  std::vector<const TensorInfo*> kept;
  for (const TensorInfo& t : model_->tensors())
    if (!of_records.contains(t.name)) kept.push_back(&t);
  return kept;
}

void Artifact::load(const TensorRecord& r, TensorStore& out) const {
  for (const std::string& output : r.scheme.outputs) {
    const TensorInfo& stored = *model_->find(stored_name(r.name, output));
    const bool codes = output == "qweight";
    HostTensor& tensor = codes ? out.add(output, r.scheme.code_dtype, r.code_shape)
                               : out.add(output, stored.dtype, stored.shape);
    model_->read(stored, tensor.bytes());
  }
  for (const auto& [key, text] : r.scheme.meta) out.set_meta(key, text);
}

Quantizer quantizer_for(const TensorRecord& record, const Registry& registry, ThreadPool& pool) {
  const PluginStamp& stamp = record.scheme.quantizer;
  const Plugin* plugin = registry.find(PluginKind::quantizer, stamp.id);
  if (plugin == nullptr) {
    throw Error(ErrorCode::plugin,
                fmt::format("\"{}\" was quantized by plugin \"{}\" {}, which is not installed",
                            record.name, stamp.id, stamp.version),
                "give its folder with --plugin-path or DETENT_PLUGIN_PATH",
                {.tensor = record.name, .plugin = stamp.id});
  }
  return {
      *plugin, pool, {.params = stamp.params, .target = record.name, .role = DETENT_ROLE_WEIGHT}};
}

std::unique_ptr<HostTensor> read_tensor(const Model& model, const TensorInfo& info) {
  auto tensor = std::make_unique<HostTensor>(info.name, info.dtype, info.shape);
  model.read(info, tensor->bytes());
  return tensor;
}

}  // namespace detent
