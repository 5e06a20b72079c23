// SPDX-License-Identifier: Apache-2.0
// PyTorch's names for element types: "torch.float32", "torch.FloatStorage".
#pragma once
#include <detent/abi/base.h>
#include <string>
#include <string_view>

namespace detent {

struct TorchType {
  detent_dtype dtype = 0;  // 0: not one that is read
  unsigned bytes = 0;      // of an element; 0: unknown
  std::string fault;       // why it is not read: "complex64 is not read"
};

// "torch.bfloat16", "torch.float8_e4m3fn".
TorchType torch_dtype(std::string_view name);
// "torch.FloatStorage"; "torch.storage.UntypedStorage" has dtype 0, 1 byte and no fault.
TorchType torch_storage_type(std::string_view name);

}  // namespace detent
