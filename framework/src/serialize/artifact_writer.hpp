// SPDX-License-Identifier: Apache-2.0
// ArtifactWriter: one output of a run, from declaring its tensors to moving it into place.
#pragma once
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plan/plan.hpp"
#include "plugin/instance.hpp"
#include "serialize/metadata.hpp"
#include "serialize/staging.hpp"

namespace detent {

class ArtifactWriter {
 public:
  // Declares every tensor of the plan and reserves the room of the metadata. The plan and the model
  // outlive the writer.
  ArtifactWriter(const Output& output, const Plan& plan, const Model& model, Overwrite overwrite,
                 ThreadPool& pool);

  // In the order of the plan: a kept tensor as it is, or all outputs of a quantized one.
  void add_kept(const TensorInfo& info, const HostTensor& tensor);
  void add_quantized(const TensorPlan& plan, const TensorStore& outputs);

  // Writes the metadata that are known now; the file is whole, synced, and still staged.
  void finish(const SqnrOf& sqnr, const DigestOf& digests);
  std::filesystem::path staged() const { return staging_.staged(); }
  std::filesystem::path target() const { return staging_.target(); }
  std::uint64_t file_bytes() const;  // of the staged files
  void commit() { staging_.commit(files_); }

 private:
  void declare_aliases(const Model& model);

  const Plan& plan_;
  Staging staging_;
  Serializer serializer_;
  std::vector<std::string> files_;
};

}  // namespace detent
