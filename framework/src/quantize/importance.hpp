// SPDX-License-Identifier: Apache-2.0
// Importance: how much the elements of a weight count, from the inputs that they are multiplied
// with.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "calibrate/calibrate.hpp"
#include "quantize/measure.hpp"

namespace detent {

// A statistic of the inputs of the operators that use one weight.
struct InputStatistic {
  const StatisticPlan* plan = nullptr;
  const TensorStore* values = nullptr;
};
using InputStatistics = std::vector<InputStatistic>;

// Those of the weight at this index in Plan::tensors; they refer to both arguments.
InputStatistics statistics_of(const Plan& plan, const Calibration& calibration, std::size_t tensor);

// E[a^2] of the input channel of each element: the expected square of what an error of 1 in it adds
// to the operator's result. It is kept once for each channel (convolutions with groups: for each
// output and input channel), not for each element.
class Importance {
 public:
  // mean_square: float64, one for each channel. Errors: Error{quantization}: the weight has no
  // dimension that goes with as many channels.
  Importance(const TensorInfo& weight, const StatisticPlan& plan, const HostTensor& mean_square);

  // Of the weight's shape, read-only; strides are 0 where it does not vary. Valid while this lives
  // and is not moved.
  detent_tensor view() const;
  double operator[](std::uint64_t element) const {
    return values_[element / inner_ % values_.size()];
  }

 private:
  // False where the channels do not fit.
  bool spread_along(ChannelDim dim);
  bool spread(std::size_t dim);
  bool spread_over_groups();
  bool fits(std::size_t dim) const;

  std::vector<double> values_;
  std::uint64_t inner_ = 1;  // elements that follow one another and have the same
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
};

// nullopt when the inputs were not seen, or nobody asked how much an element counts.
std::optional<Importance> importance_of(const TensorInfo& weight, const InputStatistics& inputs);

// Adds the tensors of the statistics that a quantizer required, as "input.<name>".
// Errors: Error{plugin}: two of them have tensors of one name.
void lend_statistics(const std::vector<std::string>& required, const InputStatistics& inputs,
                     TensorStore& stats);

// The sums of measure_error, each square times the importance of its element; no max_abs_error.
QuantizationError measure_weighted(detent_dtype dtype, std::span<const std::byte> original,
                                   std::span<const float> dequantized, const Importance& importance,
                                   ThreadPool& pool);

}  // namespace detent
