// SPDX-License-Identifier: Apache-2.0
// SafetensorsModel: the tensors of one safetensors file or of several shards.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "json/value.hpp"
#include "model/model.hpp"
#include "model/safetensors_header.hpp"

namespace detent {

struct SafetensorsFile {
  File file;
  File::Stamp stamp;  // when the header was read
  SafetensorsHeader header;
};

// Errors  Error{io}
SafetensorsFile read_safetensors(File file);

// What a model is made of, once it is known that the parts fit together.
struct ModelParts {
  std::string format;
  std::vector<SafetensorsFile> files;
  std::vector<std::filesystem::path> other_files;  // that were read: index, config.json
  json::Value config;                              // of config.json; null when there is none
  std::vector<std::string> notes;                  // see Model::notes
};

class SafetensorsModel final : public Model, private FileBytes {
 public:
  // Infers the layers; no two files hold a tensor of the same name.
  SafetensorsModel(ModelParts parts, const ModelOptions& options);

  std::string format() const override { return format_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }
  const std::vector<std::filesystem::path>& files() const override { return paths_; }
  const std::vector<std::string>& notes() const override { return notes_; }
  const TensorInfo* find(std::string_view name) const override;
  // Refuses a file that was changed after the model was opened: what would be read is a mixture.
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override;
  const FileBytes* file_bytes() const override { return this; }

 private:
  struct Source {
    File file;
    File::Stamp stamp;
  };
  std::uint64_t size(std::uint32_t file) const override { return sources_.at(file).stamp.size; }
  void read(std::uint32_t file, std::uint64_t offset, std::span<std::byte> out,
            const std::string& tensor) const override;
  void add_metadata(const SafetensorsHeader& header);

  std::string format_;
  std::vector<Source> sources_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, const TensorInfo*> by_name_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::filesystem::path> paths_;
  std::vector<std::string> notes_;
};

}  // namespace detent
