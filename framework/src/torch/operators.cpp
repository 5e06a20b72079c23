// SPDX-License-Identifier: Apache-2.0
#include "torch/operators.hpp"

#include <algorithm>

namespace detent::torch_worker {

// Normalised: linear 0 input, 1 weight, 2 bias; convolutions 3 stride, 4 padding, 5 dilation,
// 6 groups, 7 output padding; embedding 0 indices, 1 weight.
const std::vector<Operator>& operators() {
  static const std::vector<int> kConv = {0, 1, 2, 3, 4, 5, 6};
  static const std::vector<int> kConvTranspose = {0, 1, 2, 3, 4, 7, 6, 5};
  static const std::vector<int> kAnyConv = {0, 1, 2, 3, 4, 5, 8, 7};
  static const std::vector<Operator> table = {
      {"aten::linear", "linear", 0, 1, {0, 1, 2}},
      {"aten::conv1d", "conv1d", 0, 1, kConv},
      {"aten::conv2d", "conv2d", 0, 1, kConv},
      {"aten::conv3d", "conv3d", 0, 1, kConv},
      {"aten::conv_transpose1d", "conv_transpose1d", 0, 1, kConvTranspose},
      {"aten::conv_transpose2d", "conv_transpose2d", 0, 1, kConvTranspose},
      {"aten::conv_transpose3d", "conv_transpose3d", 0, 1, kConvTranspose},
      {"aten::_convolution", "conv", 0, 1, kAnyConv, 6},
      {"aten::convolution", "conv", 0, 1, kAnyConv, 6},
      {"aten::embedding", "embedding", 1, 0, {1, 0}},
      {"aten::matmul", "matmul", 0, 1, {}},
      {"aten::mm", "matmul", 0, 1, {}},
      {"aten::bmm", "matmul", 0, 1, {}},
      {"aten::addmm", "matmul", 1, 2, {}}};
  return table;
}

const Operator* find_operator(std::string_view name) {
  const auto& all = operators();
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Operator& op) { return op.name == name; });
  return it == all.end() ? nullptr : &*it;
}

std::string op_name(const Operator& op, std::int64_t weight_rank, bool transposed) {
  if (op.transposed < 0) return op.op;
  return std::string(transposed ? "conv_transpose" : "conv") + std::to_string(weight_rank - 2) +
         "d";
}

}  // namespace detent::torch_worker
