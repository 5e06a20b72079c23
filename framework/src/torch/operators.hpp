// SPDX-License-Identifier: Apache-2.0
// The operators that use a weight, and where their arguments are.
#pragma once
#include <string>
#include <string_view>
#include <torch/script.h>
#include <vector>

namespace detent::torch_worker {

struct Operator {
  const char* name;  // "aten::conv2d"
  const char* op;    // "conv2d"; for convolutions of any rank "conv", and the weight's rank tells
  int input;         // index of the activation
  int weight;
  // Normalised operands (see detent/abi/program.h): index of the operator's argument. Empty: a use
  // that cannot be replaced as one, only its weight can.
  std::vector<int> operands;
  int transposed = -1;  // index of the flag that makes a convolution transposed
};

const std::vector<Operator>& operators();
const Operator* find_operator(std::string_view name);  // nullptr when it is none

// "conv2d", "conv_transpose1d", "linear", ...
std::string op_name(const Operator& op, std::int64_t weight_rank, bool transposed);

}  // namespace detent::torch_worker
