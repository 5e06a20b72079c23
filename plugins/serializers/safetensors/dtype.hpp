// SPDX-License-Identifier: Apache-2.0
// How safetensors stores a dtype: its name, and its place in the order of tensors.
#pragma once
#include <optional>

#include "../common/stored.hpp"

namespace detent::safetensors {

struct StoredType {
  const char* name;  // "F32"
  int rank;          // tensors of a higher rank come first: the wide ones, so that all are aligned
};

// nullopt for a dtype that the format has no name for.
std::optional<StoredType> stored_type(detent_dtype dtype);

// Throws sdk::Error: UNSUPPORTED for a dtype without a name, and for other sub-byte tensors whose
// rows do not end on a byte (the format packs without gaps); INVALID_ARG for a bad shape.
serializers::Stored stored_in_safetensors(const detent_tensor_spec& spec);

}  // namespace detent::safetensors
