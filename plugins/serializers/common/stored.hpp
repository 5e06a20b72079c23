// SPDX-License-Identifier: Apache-2.0
// Stored: the dtype and shape that a tensor has in formats that have no 4-bit codes.
#pragma once
#include <cstdint>
#include <vector>

#include <detent/sdk/serializer.hpp>

namespace detent::serializers {

// I4 and U4 become U8 with the last extent halved up: two codes a byte, each row starting on a
// byte. Everything else stays as it is.
struct Stored {
  detent_dtype dtype;
  std::vector<int64_t> shape;
  uint64_t nbytes;
};

// Throws sdk::Error INVALID_ARG when the shape is negative or too large.
Stored stored_as(const detent_tensor_spec& spec);

// "its dtype (code 17, 4 bits)", for a refusal.
std::string describe_dtype(detent_dtype dtype);

}  // namespace detent::serializers
