// SPDX-License-Identifier: Apache-2.0
// Classes: what a model says when its output is taken as scores, and what it should have said.
#pragma once
#include <cstdint>
#include <detent/abi/base.h>
#include <span>
#include <string>
#include <vector>

namespace detent {

// The elements in row-major order. Integers beyond 2^53 are rounded; empty for dtypes that are no
// numbers (complex, packed). t is compact.
std::vector<double> values_of(const detent_tensor& t);

// Scores of classes are tensors of two dimensions or more; the classes lie along the last one, of
// which there are at least two.
bool has_classes(const detent_tensor& t);

// The index of the largest value of each row; the first of equals, NaN above all, as in PyTorch.
std::vector<std::int64_t> top_classes(std::span<const double> scores, std::int64_t classes);

struct WantedClasses {
  std::vector<std::int64_t> rows;  // the right class of each row; -1: the row does not count
  std::string problem;             // why the target does not fit the scores; rows is empty then
};

// integers of the scores' shape without the last dimension (a last dimension of one more is
// ignored): indices of classes, negative ones do not count
// numbers of the scores' own shape: one-hot or shares, the largest is the right class
WantedClasses wanted_classes(const detent_tensor& target, const detent_tensor& scores);

}  // namespace detent
