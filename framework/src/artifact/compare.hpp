// SPDX-License-Identifier: Apache-2.0
// Comparing a model with its quantized form, tensor by tensor.
#pragma once
#include <string>
#include <vector>

#include "artifact/artifact.hpp"

namespace detent {

struct TensorComparison {
  std::string name;
  double sqnr_db = 0;        // +inf when equal; NaN when the two cannot be compared
  double max_abs_error = 0;  // NaN when the two cannot be compared; the next ones likewise
  double mse = 0;
  double cosine = 0;
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

struct Comparison {
  std::vector<TensorComparison> tensors;  // worst SQNR first
  std::vector<std::string> only_before;
  std::vector<std::string> only_after;
  std::uint64_t bytes_before = 0;  // of all tensors of each file
  std::uint64_t bytes_after = 0;
  double sqnr_db_mean = 0;  // over the tensors that are not equal; +inf when all are
  double sqnr_db_min = 0;
  double ratio() const;
};

// Any two models will do: records of quantization are dequantized, floats of other dtypes compared
// as numbers, the rest byte by byte.
//
// Errors  Error{plugin}: the plugin that quantized a tensor is not installed
Comparison compare_models(const Artifact& before, const Artifact& after, const Registry& registry,
                          ThreadPool& pool);

// The float32 values that a record stands for.
std::unique_ptr<HostTensor> dequantize(const Artifact& artifact, const TensorRecord& record,
                                       const Registry& registry, ThreadPool& pool);

}  // namespace detent
