// SPDX-License-Identifier: Apache-2.0
// TorchCalls: what the few functions and classes that torch.save and torch.jit.save name stand
// for. All others are refused by name.
#pragma once
#include "model/torch/pickle_reader.hpp"

namespace detent {

class TorchCalls final : public PickleCalls {
 public:
  // In TorchScript archives, instances of the classes "__torch__...." are opaque objects.
  explicit TorchCalls(bool torchscript) : torchscript_(torchscript) {}

  // Errors  PickleError: 'refuses "posix.system"', wrong arguments
  PickleId call(PickleTree& tree, PickleId callee, PickleId arguments) const override;
  PickleId persistent(PickleTree& tree, PickleId id) const override;

 private:
  bool torchscript_;
};

}  // namespace detent
