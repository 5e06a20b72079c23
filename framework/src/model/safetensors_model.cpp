// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors_model.hpp"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "model/infer_layers.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

std::string read_string(const File& file, std::uint64_t offset, std::uint64_t length) {
  std::string text(length, '\0');
  file.read_at(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

SafetensorsFile read_safetensors(File file) {
  constexpr std::uint64_t kFirstBytes = 64;
  const std::string path = file.path().string();
  const File::Stamp stamp = file.stamp();
  const std::string first_bytes = read_string(file, 0, std::min(stamp.size, kFirstBytes));
  const std::uint64_t length = safetensors_header_length(first_bytes, stamp.size, path);
  SafetensorsHeader header =
      parse_safetensors_header(read_string(file, 8, length), stamp.size, path);
  return {std::move(file), stamp, std::move(header)};
}

SafetensorsModel::SafetensorsModel(ModelParts parts, const ModelOptions& options)
    : format_(std::move(parts.format)), notes_(std::move(parts.notes)) {
  for (SafetensorsFile& part : parts.files) {
    const auto index = static_cast<std::uint32_t>(sources_.size());
    for (TensorInfo& t : part.header.tensors) t.file = index;
    std::move(part.header.tensors.begin(), part.header.tensors.end(), std::back_inserter(tensors_));
    add_metadata(part.header);
    paths_.push_back(part.file.path());
    sources_.push_back({std::move(part.file), part.stamp});
  }
  paths_.insert(paths_.end(), parts.other_files.begin(), parts.other_files.end());
  infer_layers(tensors_, parts.config, options, &notes_);
  for (const TensorInfo& t : tensors_) by_name_.emplace(t.name, &t);
}

// Every shard says {"format": "pt"}: a key is kept once, as the first file that has it says.
void SafetensorsModel::add_metadata(const SafetensorsHeader& header) {
  const auto known_end = static_cast<std::ptrdiff_t>(metadata_.size());
  for (const auto& entry : header.metadata) {
    const auto end = metadata_.begin() + known_end;  // within one file keys are unique
    const bool known =
        std::any_of(metadata_.begin(), end, [&](const auto& m) { return m.first == entry.first; });
    if (!known) metadata_.push_back(entry);
  }
}

const TensorInfo* SafetensorsModel::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

void SafetensorsModel::read(const TensorInfo& tensor, std::span<std::byte> out) const {
  if (tensor.file >= sources_.size() || out.size() != tensor.nbytes)
    throw Error(ErrorCode::unexpected, fmt::format("tensor {} of {} bytes read into a buffer of {}",
                                                   shown(tensor.name), tensor.nbytes, out.size()));
  read(tensor.file, tensor.offset, out, tensor.name);
}

void SafetensorsModel::read(std::uint32_t file, std::uint64_t offset, std::span<std::byte> out,
                            const std::string& tensor) const {
  const Source& source = sources_.at(file);
  source.file.read_at(offset, out);
  if (source.file.stamp() != source.stamp)
    refuse(source.file.path().string(), "was changed by another program while it was in use",
           "run again when nothing writes to the model", tensor);
}

}  // namespace detent
