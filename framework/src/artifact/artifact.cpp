// SPDX-License-Identifier: Apache-2.0
#include "artifact/artifact.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <string_view>
#include <unordered_set>

#include "artifact/dequantize_foreign.hpp"
#include "base/dtype.hpp"
#include "json/parse.hpp"
#include "model/infer_layers.hpp"

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

// Layer -> type, as if the weights were there as floats.
std::map<std::string, std::string> foreign_types(const Artifact& artifact) {
  std::vector<TensorInfo> floats;
  for (const TensorInfo* t : artifact.kept()) floats.push_back(*t);
  for (const TensorRecord& r : artifact.records()) {
    TensorInfo info;
    info.name = r.name;
    info.dtype = r.dtype;
    info.shape = r.shape;
    floats.push_back(std::move(info));
  }
  infer_layers(floats, {}, {}, nullptr);
  std::map<std::string, std::string> types;
  for (const TensorInfo& t : floats) types[t.layer] = t.type;
  return types;
}

// Id -> sha256 of the quantizers that made the file, by its own word; for messages only.
std::map<std::string, std::string> quantizer_hashes(const json::Value& versions) {
  std::map<std::string, std::string> hashes;
  const json::Value* plugins = versions.at_pointer("/plugins");
  if (plugins == nullptr || plugins->if_array() == nullptr) return hashes;
  for (const json::Value& p : *plugins->if_array()) {
    const auto text = [&](const char* pointer) {
      const json::Value* v = p.at_pointer(pointer);
      return v != nullptr && v->if_string() != nullptr ? *v->if_string() : std::string();
    };
    if (text("/kind") == "quantizer") hashes[text("/id")] = text("/sha256");
  }
  return hashes;
}

json::Value foreign_quantization(const Artifact& artifact) {
  const std::string version = mono_quant_version(artifact.model());
  json::Object all{{"source", json::Object{{"program", "Mono Quant"},
                                           {"version", version.empty() ? json::Value()
                                                                       : json::Value(version)}}}};
  const json::Value described = to_json(artifact.records());
  // The version of a format of ours says nothing of this file.
  for (const json::Member& m : *described.if_object())
    if (m.key != "format_version") all.append(m);
  json::Object stored;
  for (const TensorRecord& r : artifact.records()) {
    const auto names = r.stored_names();
    stored.append({r.name, {}, json::Array(names.begin(), names.end())});
  }
  all.set("stored", std::move(stored));
  json::Object lost;
  for (const LostWeight& w : artifact.lost()) lost.append({w.name, {}, w.reason});
  all.set("lost", std::move(lost));
  return all;
}

}  // namespace

Artifact Artifact::open(const std::filesystem::path& path) { return over(open_model(path, {})); }

Artifact Artifact::over(std::unique_ptr<Model> model) {
  Artifact a;
  a.model_ = std::move(model);
  a.notes_ = a.model_->notes();
  a.quantization_ = a.group(kQuantizationKey);
  a.quantized_ = a.quantization_.if_object() != nullptr;
  if (a.quantized_) {
    a.read_own();
  } else if (is_mono_quant(*a.model_)) {
    a.read_foreign();
  } else {
    a.quantization_ = {};
  }
  for (std::size_t i = 0; i < a.records_.size(); ++i) {
    const TensorRecord& r = a.records_[i];
    a.by_name_.emplace(r.name, i);
    const auto codes = std::ranges::find(r.scheme.outputs, "qweight") - r.scheme.outputs.begin();
    a.by_codes_.emplace(r.stored_names()[static_cast<std::size_t>(codes)], i);
  }
  return a;
}

void Artifact::read_own() {
  try {
    records_ = records_from_json(quantization_, ModelShapes(*model_));
    activations_ = activations_from_json(quantization_, ModelShapes(*model_));
  } catch (const UnknownVersion& e) {
    throw Error(ErrorCode::io, fmt::format("{}: {}", model_->files().front().string(), e.what()),
                e.hint());
  } catch (const std::runtime_error& e) {
    damaged(*model_, e.what());
  }
  architecture_ = group(kArchitectureKey);
  const auto hashes = quantizer_hashes(group(kVersionsKey));
  for (TensorRecord& r : records_) {
    check(r);
    const auto hash = hashes.find(r.scheme.quantizer.id);
    if (hash != hashes.end()) r.scheme.quantizer.sha256 = hash->second;
  }
}

void Artifact::read_foreign() {
  quantized_ = foreign_ = true;
  MonoQuantFile file = read_mono_quant(*model_);
  records_ = std::move(file.records);
  lost_ = std::move(file.lost);
  notes_.insert(notes_.end(), file.notes.begin(), file.notes.end());
  for (const LostWeight& w : lost_)
    notes_.push_back(fmt::format("\"{}\" cannot be computed: {}", w.name, w.reason));
  const auto types = foreign_types(*this);
  json::Object layers;
  for (const auto& [layer, type] : types) layers.append({layer, {}, json::Object{{"type", type}}});
  architecture_ = json::Object{{"layers", std::move(layers)}};
  for (TensorRecord& r : records_) r.layer_type = types.at(r.layer);
  quantization_ = foreign_quantization(*this);
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
  const auto it = by_name_.find(tensor);
  return it == by_name_.end() ? nullptr : &records_[it->second];
}

const TensorRecord* Artifact::record_of_codes(const std::string& stored) const {
  const auto it = by_codes_.find(stored);
  return it == by_codes_.end() ? nullptr : &records_[it->second];
}

std::vector<std::pair<std::string, std::string>> Artifact::aliases() const {
  std::vector<std::pair<std::string, std::string>> found;
  if (foreign_) {
    std::unordered_set<std::string_view> names;
    for (const TensorInfo* t : kept()) names.insert(t->name);
    for (const auto& alias : model_->aliases())
      if (names.contains(alias.second)) found.push_back(alias);
    return found;
  }
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
    for (std::string& name : r.stored_names()) of_records.insert(std::move(name));
  for (const ActivationRecord& activation : activations_)
    for (const std::string& name : activation.stored()) of_records.insert(name);
  std::vector<const TensorInfo*> kept;
  for (const TensorInfo& t : model_->tensors())
    if (!of_records.contains(t.name)) kept.push_back(&t);
  return kept;
}

void Artifact::load(const TensorRecord& r, TensorStore& out) const {
  const std::vector<std::string> names = r.stored_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& output = r.scheme.outputs[i];
    const TensorInfo& stored = *model_->find(names[i]);
    const bool codes = output == "qweight" && !r.foreign;
    HostTensor& tensor = codes ? out.add(output, r.scheme.code_dtype, r.code_shape)
                               : out.add(output, stored.dtype, stored.shape);
    model_->read(stored, tensor.bytes());
  }
  for (const auto& [key, text] : r.scheme.meta) out.set_meta(key, text);
}

void dequantize(const TensorRecord& record, const TensorStore& stored, const Registry& registry,
                ThreadPool& pool, HostTensor& out) {
  if (record.foreign) return dequantize_foreign(record, stored, out);
  quantizer_for(record, registry, pool).dequantize(stored, out.view());
}

void refuse_quantized(const Model& model) {
  const bool own = std::any_of(model.metadata().begin(), model.metadata().end(), [](const auto& m) {
    if (m.first != kQuantizationKey) return false;
    try {
      return json::parse(m.second).at_pointer("/format_version") != nullptr;
    } catch (const json::ParseError&) {
      return false;  // a key of the model's own, with another meaning
    }
  });
  if (!own && !is_mono_quant(model)) return;
  const std::string file = model.files().front().string();
  throw Error(ErrorCode::config, fmt::format("{} is quantized already", file),
              fmt::format("give the original, or make floats of it first: detent dequantize {} "
                          "floats.safetensors",
                          file));
}

Quantizer quantizer_for(const TensorRecord& record, const Registry& registry, ThreadPool& pool) {
  const PluginStamp& stamp = record.scheme.quantizer;
  const Plugin* plugin = registry.find(PluginKind::quantizer, stamp.id);
  if (plugin == nullptr) {
    throw Error(ErrorCode::plugin,
                fmt::format("\"{}\" was quantized by plugin \"{}\" {}{}, which is not installed",
                            record.name, stamp.id, stamp.version,
                            stamp.sha256.empty() ? "" : fmt::format(" (sha256 {})", stamp.sha256)),
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
