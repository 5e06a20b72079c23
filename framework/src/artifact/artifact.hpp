// SPDX-License-Identifier: Apache-2.0
// Artifact: a quantized model read back, and its tensors turned into floats again.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "artifact/mono_quant.hpp"
#include "artifact/record.hpp"
#include "base/thread_pool.hpp"
#include "model/model.hpp"
#include "plugin/registry.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {

class Artifact {
 public:
  // Any model file; one that is not quantized has no records. Files of Mono Quant are quantized,
  // too.
  // Errors  Error{io}: as open_model, or metadata that contradict the tensors
  static Artifact open(const std::filesystem::path& path);
  // The same of a model that somebody else opened.
  static Artifact over(std::unique_ptr<Model> model);

  const Model& model() const { return *model_; }
  const std::vector<TensorRecord>& records() const { return records_; }
  const TensorRecord* record(const std::string& tensor) const;
  // The record whose codes are in this tensor of the file.
  const TensorRecord* record_of_codes(const std::string& stored) const;
  const std::vector<ActivationRecord>& activations() const { return activations_; }
  bool is_quantized() const { return quantized_; }
  bool is_foreign() const { return foreign_; }  // quantized by another program
  // Weights that are quantized in the file, and cannot be computed from it; of foreign files only.
  const std::vector<LostWeight>& lost() const { return lost_; }
  const std::vector<std::string>& notes() const { return notes_; }  // the model's among them
  // The groups of these names; what is known of a foreign file in the same shape. null when the
  // file is not quantized.
  const json::Value& quantization() const { return quantization_; }
  const json::Value& architecture() const { return architecture_; }
  // The JSON of one metadata key; null when absent. Errors: Error{io} when it is no JSON.
  json::Value group(const char* key) const;
  // (alias, name) of tensors of this file that have further names, by its metadata; of kept tensors
  // in a foreign file.
  std::vector<std::pair<std::string, std::string>> aliases() const;
  // The tensors that are kept as they were, in the file's order; parameters of activations are not
  // among them.
  std::vector<const TensorInfo*> kept() const;

  // Reads everything that is stored for a record: codes (as their own dtype, 4-bit codes unpacked
  // from the file's bytes by view only), scale, ... and the quantizer's metadata.
  void load(const TensorRecord& record, TensorStore& out) const;

 private:
  void read_own();
  void read_foreign();
  void check(const TensorRecord& record) const;

  std::unique_ptr<Model> model_;
  std::vector<TensorRecord> records_;
  std::unordered_map<std::string, std::size_t> by_name_;   // index of a record
  std::unordered_map<std::string, std::size_t> by_codes_;  // by the tensor that its codes are in
  std::vector<ActivationRecord> activations_;
  std::vector<LostWeight> lost_;
  std::vector<std::string> notes_;
  json::Value quantization_;
  json::Value architecture_;
  bool quantized_ = false;
  bool foreign_ = false;
};

// Errors  Error{config}: the model is quantized already, and what would be made of it is no model
void refuse_quantized(const Model& model);

// The float32 values that a record stands for, from what is stored of it (Artifact::load).
//
// Errors  Error{plugin}: the plugin that quantized it is not installed
void dequantize(const TensorRecord& record, const TensorStore& stored, const Registry& registry,
                ThreadPool& pool, HostTensor& out);

// The plugin that made the record, by its id. Errors: Error{plugin} when it is not installed.
Quantizer quantizer_for(const TensorRecord& record, const Registry& registry, ThreadPool& pool);

// Reads one tensor of a model into memory.
std::unique_ptr<HostTensor> read_tensor(const Model& model, const TensorInfo& info);

}  // namespace detent
