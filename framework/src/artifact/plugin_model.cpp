// SPDX-License-Identifier: Apache-2.0
#include "artifact/plugin_model.hpp"

#include <algorithm>
#include <mutex>
#include <string_view>

#include "config/schema.hpp"
#include "json/parse.hpp"
#include "model/infer_layers.hpp"

namespace detent {
namespace {

constexpr std::string_view kFormat = "format:";

std::string format_of(const Plugin& plugin) {
  for (const std::string& what : plugin.provides)
    if (what.starts_with(kFormat)) return what.substr(kFormat.size());
  return plugin.id;
}

// A text that was written as a JSON string is that string, everything else the JSON itself: what a
// safetensors file holds of it.
std::string text_of(const std::string& json_text) {
  try {
    const json::Value value = json::parse(json_text);
    if (const std::string* text = value.if_string()) return *text;
  } catch (const json::ParseError&) {
    // Not ours: as it is.
  }
  return json_text;
}

class PluginModel : public Model {
 public:
  PluginModel(const std::filesystem::path& file, const Plugin& plugin, const json::Object& params,
              ThreadPool& pool)
      : format_(format_of(plugin)),
        files_{file},
        reader_(plugin, pool, {.params = params, .target = file.filename().string()}, file) {
    for (const PlannedTensor& t : reader_.tensors()) tensors_.push_back(info_of(t));
    for (const auto& [key, value] : reader_.metadata()) metadata_.emplace_back(key, text_of(value));
    infer_layers(tensors_, {}, {}, nullptr);
  }

  std::string format() const override { return format_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }
  const std::vector<std::filesystem::path>& files() const override { return files_; }
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override {
    const std::lock_guard lock(mutex_);
    reader_.read(tensor.offset, out);
  }

 private:
  TensorInfo info_of(const PlannedTensor& t) const {
    TensorInfo info;
    info.name = t.name;
    info.dtype = t.dtype;
    info.shape = t.shape;
    info.nbytes = t.nbytes();
    info.offset = tensors_.size();  // its number: places in the file are the plugin's business
    if (DETENT_DTYPE_BITS(t.dtype) == 4 && DETENT_DTYPE_CODE(t.dtype) <= 1 && !t.shape.empty()) {
      info.dtype = DETENT_U8;
      info.shape.back() = (info.shape.back() + 1) / 2;
    }
    return info;
  }

  std::string format_;
  std::vector<std::filesystem::path> files_;
  mutable std::mutex mutex_;
  mutable SerializerReader reader_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace

std::unique_ptr<Model> read_with_plugin(const std::filesystem::path& file, const Plugin& serializer,
                                        const json::Object& params, ThreadPool& pool) {
  return std::make_unique<PluginModel>(file, serializer, params, pool);
}

Artifact open_any(const std::filesystem::path& path,
                  const std::function<const Registry&()>& plugins, ThreadPool& pool) {
  if (!std::filesystem::is_regular_file(path) || is_known_format(path)) return Artifact::open(path);
  const std::string extension = "extension:" + path.extension().string();
  for (const Plugin& plugin : plugins().plugins()) {
    const bool fits = plugin.kind == PluginKind::serializer && plugin.shadowed_by.empty() &&
                      lists(plugin.provides, extension);
    if (fits && can_read(plugin))
      return Artifact::over(
          read_with_plugin(path, plugin, with_defaults({}, plugin.params_schema, ""), pool));
  }
  return Artifact::open(path);  // which says what is wrong
}

}  // namespace detent
