// SPDX-License-Identifier: Apache-2.0
// Files of the program Mono Quant, read as what they stand for (docs/formats/mono_quant.md).
#pragma once
#include <string>
#include <vector>

#include "artifact/record.hpp"
#include "model/model.hpp"

namespace detent {

// A weight of which the file does not hold enough.
struct LostWeight {
  std::string name;  // "fc1.weight"
  std::string reason;
};

struct MonoQuantFile {
  std::vector<TensorRecord> records;  // foreign, without layer_type
  std::vector<LostWeight> lost;       // what is stored of them counts as kept
  std::vector<std::string> notes;     // what somebody who reads the weights should know
};

// Has it a tensor that only Mono Quant names so?
bool is_mono_quant(const Model& model);

// Reads all but the codes, and those of the layers that Mono Quant falls back to INT8 for.
//
// Errors  Error{io}: tensors are missing, or contradict one another
MonoQuantFile read_mono_quant(const Model& model);

// Of the file's metadata: "1.1"; empty when it says none.
std::string mono_quant_version(const Model& model);

// Is this metadata of Mono Quant only true of a file that is quantized?
bool describes_mono_quant(const std::string& key);

}  // namespace detent
