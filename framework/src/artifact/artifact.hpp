// SPDX-License-Identifier: Apache-2.0
// Artifact: a quantized model read back, and its tensors turned into floats again.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "artifact/record.hpp"
#include "base/thread_pool.hpp"
#include "model/model.hpp"
#include "plugin/registry.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

class Artifact {
 public:
  // Any model file; without quantization metadata records() is empty.
  // Errors  Error{io}: as open_model, or metadata that contradict the tensors
  static Artifact open(const std::filesystem::path& path);

  const Model& model() const { return *model_; }
  const std::vector<TensorRecord>& records() const { return records_; }
  const TensorRecord* record(const std::string& tensor) const;
  const std::vector<ActivationRecord>& activations() const { return activations_; }
  bool is_quantized() const { return quantized_; }  // has quantization metadata
  // The JSON of one metadata key; null when absent. Errors: Error{io} when it is no JSON.
  json::Value group(const char* key) const;
  // (alias, name) of tensors of this file that have further names, by its metadata.
  std::vector<std::pair<std::string, std::string>> aliases() const;
  // The tensors that are kept as they were, in the file's order; parameters of activations are not
  // among them.
  std::vector<const TensorInfo*> kept() const;

  // Reads everything that is stored for a record: codes (as their own dtype, 4-bit codes unpacked
  // from the file's bytes by view only), scale, ... and the quantizer's metadata.
  void load(const TensorRecord& record, TensorStore& out) const;

 private:
  void check(const TensorRecord& record) const;

  std::unique_ptr<Model> model_;
  std::vector<TensorRecord> records_;
  std::vector<ActivationRecord> activations_;
  bool quantized_ = false;
};

// The plugin that made the record, by its id. Errors: Error{plugin} when it is not installed.
Quantizer quantizer_for(const TensorRecord& record, const Registry& registry, ThreadPool& pool);

// Reads one tensor of a model into memory.
std::unique_ptr<HostTensor> read_tensor(const Model& model, const TensorInfo& info);

}  // namespace detent
