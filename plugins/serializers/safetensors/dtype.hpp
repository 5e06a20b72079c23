// SPDX-License-Identifier: Apache-2.0
// How safetensors stores a dtype: its name, its shape, and its place in the order of tensors.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include <detent/sdk/serializer.hpp>

namespace detent::safetensors {

struct StoredType {
  const char* name;  // "F32"
  int rank;          // tensors of a higher rank come first: the wide ones, so that all are aligned
};

// nullopt for a dtype that the format has no name for.
std::optional<StoredType> stored_type(detent_dtype dtype);

// The dtype and shape that a tensor has in the file. I4 and U4 have no name there and become U8
// with the last extent halved up: two codes a byte, each row starting on a byte.
struct Stored {
  detent_dtype dtype;
  std::vector<int64_t> shape;
  uint64_t nbytes;
};

// Throws sdk::Error: UNSUPPORTED for a dtype without a name, and for other sub-byte tensors whose
// rows do not end on a byte (the format packs without gaps); INVALID_ARG for a bad shape.
Stored stored_as(const detent_tensor_spec& spec);

}  // namespace detent::safetensors
