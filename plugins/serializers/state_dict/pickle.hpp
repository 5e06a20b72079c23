// SPDX-License-Identifier: Apache-2.0
// The pickle of a state dict: names, and where in which storage each tensor lies.
#pragma once
#include <string>
#include <string_view>

#include "../common/stored.hpp"

namespace detent::state_dict {

// Writes what torch.save(OrderedDict(...)) writes, in protocol 2, which every PyTorch reads:
// torch._utils._rebuild_tensor_v2 for tensors of typed storages, _v3 for the others. Only globals
// that torch.load(weights_only=True) allows.
class StateDictPickle {
 public:
  StateDictPickle();
  // One entry of the dict; entries of one storage share its bytes when they are loaded. Throws
  // sdk::Error INVALID_ARG for a name that the format cannot hold.
  void add(std::string_view name, const serializers::Stored& tensor, size_t storage);
  std::string finish();  // once

 private:
  void global(std::string_view module, std::string_view name);
  void text(std::string_view text);
  void integer(int64_t value);
  void integers(const std::vector<int64_t>& values);  // as a tuple
  void empty_ordered_dict();
  void storage_of(const serializers::Stored& tensor, size_t storage);

  std::string bytes_;
};

}  // namespace detent::state_dict
