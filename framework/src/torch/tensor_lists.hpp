// SPDX-License-Identifier: Apache-2.0
// Lists of tensors that modules keep beside the tensors themselves, as recurrent layers do with all
// their weights ("_flat_weights"): a program that reads the list would not see that a tensor was
// replaced.
#pragma once
#include "torch/graph_tools.hpp"

namespace detent::torch_worker {

// Reads of such a list become lists of reads of the tensors, where each is an attribute of the same
// module and nobody changes the list. A list that nobody reads any more is taken away.
void spread_tensor_lists(const Rebuilt& rebuilt);

}  // namespace detent::torch_worker
