// SPDX-License-Identifier: Apache-2.0
// The four groups of metadata that every output carries, and the digests that `verify` needs.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "artifact/record.hpp"
#include "model/model.hpp"
#include "plan/plan.hpp"
#include "quantize/quantize_tensor.hpp"

namespace detent {

struct MetadataInput {
  const Config& config;
  const Plan& plan;
  const Model& model;
  const PluginUse& serializer;
  const std::string& runtime;         // what runs the model; empty when it does not run
  std::uint64_t calibration_samples;  // that the observers of activations saw
};

// What is known before the first tensor is written: "quantization", "architecture", "versions",
// "configuration", "aliases" where tensors have several names, and the model's own metadata under
// other keys. Deterministic: no time, no path, no host.
std::vector<std::pair<std::string, std::string>> early_metadata(const MetadataInput& input);

// tensor -> the SQNR of a quantized tensor
using SqnrOf = std::map<std::string, double>;
// stored tensor -> 32 hexadecimal digits of XXH3-128
using DigestOf = std::map<std::string, std::string>;

// "metrics" and "digests". The text for given names is never longer than that of the same names
// with `widest_*` values: the room that is reserved in the beginning is enough in the end.
std::string metrics_metadata(const Plan& plan, const SqnrOf& sqnr);
std::string digests_metadata(const DigestOf& digests);
SqnrOf widest_sqnr(const Plan& plan, const Model& model);
DigestOf widest_digests(const Plan& plan, const Model& model);

TensorRecord make_record(const TensorPlan& plan, const TensorInfo& info);
ActivationRecord make_record(const ActivationPlan& plan, const Plan& whole, const Model& model);

}  // namespace detent
