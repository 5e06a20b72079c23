// SPDX-License-Identifier: Apache-2.0
// Model: the tensors of a model and what they belong to, without their data.
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/value.hpp"

namespace detent {

struct TensorInfo {
  std::string name;  // "encoder.layer.0.attention.self.query.weight"
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;
  std::uint64_t nbytes = 0;
  std::uint32_t file = 0;    // index into Model::files()
  std::uint64_t offset = 0;  // of the data in that file

  // Filled in by infer_layers.
  std::string layer;  // "encoder.layer.0.attention.self.query"
  std::string type;   // "Linear", "Embedding", "Conv2d", ...; empty when unknown
  std::string param;  // "weight"

  std::uint64_t numel() const;
};

// Files whose bytes are the tensors' bytes: TensorInfo::offset is the place of a tensor's first.
class FileBytes {
 public:
  virtual ~FileBytes() = default;
  virtual std::uint64_t size(std::uint32_t file) const = 0;
  // Thread-safe. Errors: Error{io}, also when the file was changed since it was opened; `tensor`
  // is for the message.
  virtual void read(std::uint32_t file, std::uint64_t offset, std::span<std::byte> out,
                    const std::string& tensor = {}) const = 0;
};

// A file or set of files with tensors: safetensors, PyTorch's state dicts, TorchScript.
class Model {
 public:
  virtual ~Model() = default;
  // "safetensors", "safetensors-sharded", "torch-state-dict", "torch-state-dict-legacy",
  // "torchscript"
  virtual std::string format() const = 0;
  // In the order of the files, then of the data in them.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  // The file's own metadata (strings), of all files together. Of PyTorch's archives: the records
  // extra/<key> that are text.
  virtual const std::vector<std::pair<std::string, std::string>>& metadata() const = 0;
  // Every file that was read: the tensors' first, then index and config.
  virtual const std::vector<std::filesystem::path>& files() const = 0;
  // out.size() == tensor.nbytes. Thread-safe. Errors: Error{io}.
  virtual void read(const TensorInfo& tensor, std::span<std::byte> out) const = 0;

  // Where a tensor can be read in parts; nullptr where it comes only as a whole.
  virtual const FileBytes* file_bytes() const;

  // What somebody who opened the model should be told: a config.json that was not understood,
  // weights that are stored transposed.
  virtual const std::vector<std::string>& notes() const;
  virtual const TensorInfo* find(std::string_view name) const;  // nullptr when there is none
  // Further names of tensors: (alias, name in tensors()). A shared weight is one tensor, found
  // under the first of its names.
  virtual const std::vector<std::pair<std::string, std::string>>& aliases() const;
  // Is it a program (TorchScript) rather than tensors alone? See program/program.hpp.
  virtual bool is_program() const { return false; }
  std::uint64_t tensor_bytes() const;
};

struct ModelOptions {
  // "model": {"types": {"glob": "Type"}}: glob on the layer's name or that of one of its tensors;
  // the first that matches wins.
  std::vector<std::pair<std::string, std::string>> types = {};
};

// A .safetensors file; a Hugging Face folder: model.safetensors, or the shards that
// model.safetensors.index.json lists; config.json, where there is one, helps to infer the types; or
// a file of torch.save or torch.jit.save, of which nothing is executed
// (docs/formats/torch_files.md).
//
// Errors  Error{io}: missing, not a model, corrupt or hostile, with the path, the offset or tensor
std::unique_ptr<Model> open_model(const std::filesystem::path& path, const ModelOptions& options);

// Is the file, by its name or its first bytes, one that open_model reads, sound or not?
bool is_known_format(const std::filesystem::path& file);

// The globs of options.types that match no layer and no tensor: typing mistakes, most likely.
std::vector<std::string> unmatched_types(const Model& model, const ModelOptions& options);

}  // namespace detent
