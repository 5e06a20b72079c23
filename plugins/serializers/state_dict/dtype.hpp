// SPDX-License-Identifier: Apache-2.0
// How a state dict names a dtype.
#pragma once
#include "../common/stored.hpp"

namespace detent::state_dict {

// PyTorch has storage classes for its old dtypes (torch.FloatStorage); a tensor of a later one lies
// in an untyped storage and names its dtype itself.
struct TorchType {
  const char* name;  // "FloatStorage", "float8_e4m3fn": both in the module torch
  bool untyped;
};

// nullptr for a dtype that torch.load(weights_only=True) has no name for.
const TorchType* torch_type(detent_dtype dtype);

// Throws sdk::Error: UNSUPPORTED for a dtype without a name; INVALID_ARG for a bad shape.
serializers::Stored stored_in_state_dict(const detent_tensor_spec& spec);

}  // namespace detent::state_dict
