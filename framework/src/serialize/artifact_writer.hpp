// SPDX-License-Identifier: Apache-2.0
// ArtifactWriter: one output of a run, from declaring its tensors to moving it into place.
#pragma once
#include <string>
#include <vector>

#include "calibrate/calibrate.hpp"
#include "config/config.hpp"
#include "plan/plan.hpp"
#include "plugin/instance.hpp"
#include "serialize/metadata.hpp"
#include "serialize/staging.hpp"

namespace detent {

class ArtifactWriter {
 public:
  // Refuses a target that cannot be written, and a program that the serializer cannot. All but the
  // output outlive the writer. program: nullptr when the model does not run.
  ArtifactWriter(const Config& config, const Output& output, const Plan& plan, const Model& model,
                 Program* program, Overwrite overwrite, ThreadPool& pool);
  std::vector<Warning> warnings() const;  // of the serializer, about the program

  // Declares every tensor of the plan and reserves the room of the metadata. Once, before the
  // tensors: how many parameters an activation has is known when it was calibrated.
  void declare(const Calibration& calibration);

  // In the order of the plan: a kept tensor as it is, or all outputs of a quantized one. The
  // parameters of activations after them.
  void add_kept(const TensorInfo& info, const HostTensor& tensor);
  void add_quantized(const TensorPlan& plan, const TensorStore& outputs);
  // The next rows of a tensor, in place of the whole: those of the outputs of a tensor alternate.
  void add_rows(const std::string& name, std::uint64_t first_row, const HostTensor& rows);
  void add_activation(const ActivationPlan& plan, const TensorStore& qparams);

  // Writes the metadata that are known now; the file is whole, synced, and still staged.
  void finish(const SqnrOf& sqnr, const DigestOf& digests);
  std::filesystem::path staged() const { return staging_.staged(); }
  std::filesystem::path target() const { return staging_.target(); }
  std::uint64_t file_bytes() const;  // of the staged files
  void commit() { staging_.commit(files_); }

 private:
  void declare_aliases(const Model& model);

  const Config& config_;
  const PluginUse& use_;
  const Plan& plan_;
  const Model& model_;
  const Plugin& plugin_;
  std::string runtime_;  // what runs the model
  Staging staging_;
  Serializer serializer_;
  std::vector<std::string> files_;
};

}  // namespace detent
