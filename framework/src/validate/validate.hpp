// SPDX-License-Identifier: Apache-2.0
// Validation: an artefact is read back from its file and judged by the configured validators.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "artifact/artifact.hpp"
#include "config/config.hpp"
#include "evaluate/evaluate.hpp"
#include "plan/plan.hpp"
#include "plugin/instance.hpp"
#include "quantize/quantize_tensor.hpp"
#include "serialize/metadata.hpp"

namespace detent {

struct Validation {
  std::vector<Finding> findings;
  // Of what was read back, whatever the validators think of it. None: nothing was.
  std::optional<bool> intact;    // every stored tensor is there, with the bytes that were written
  std::optional<bool> in_range;  // codes, scales and zero points
  void add(const Validation& other);  // of another output
  // Why nothing was read back and no validator asked: the format is the serializer's own, and it has
  // no functions that read. Empty otherwise.
  std::string not_read;
  bool passed() const;                // no finding of severity FAIL
};

struct ValidationInput {
  const Plan& plan;
  const Model& original;
  std::uint64_t original_file_bytes = 0;
  const DigestOf& intended;  // of what was handed to the serializer
  // What was measured while the tensors passed, by index into Model::tensors().
  const std::map<std::size_t, TensorResult>& results;
  const std::map<std::size_t, std::uint64_t>& kept_non_finite;
  const PluginUse& serializer;     // who wrote it; its own reading side is used for its own format
  std::filesystem::path artifact;  // the file to read
  std::uint64_t artifact_file_bytes = 0;
  const OutputEvaluation& evaluation;  // of this artefact
};

// Reads every tensor of the file, in blocks where the plan does, and compares digests. Bytes that
// are those that were measured need not be measured again; others are dequantized and are.
//
// Errors  Error{validation}: the file cannot be read back at all; Error{plugin}: a validator failed
Validation validate(const std::vector<PluginUse>& validators, const ValidationInput& input,
                    ThreadPool& pool);

// The finding as one line for people: validator, tensor, message.
std::string describe(const Finding& finding);

}  // namespace detent
