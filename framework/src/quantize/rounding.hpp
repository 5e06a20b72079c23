// SPDX-License-Identifier: Apache-2.0
// Plain rounding to nearest: what every quantization has to be better than, or else do nothing for
// its price.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "plugin/instance.hpp"
#include "quantize/importance.hpp"
#include "quantize/measure.hpp"

namespace detent {

// The error that codes of this target would have with scales and zero points of the tensor's own
// minimum and maximum, over the channels or groups that the target names (sdk::choose_affine); of a
// float64 weight the values are rounded to float32 before the division. Nothing for a target that
// is no affine mapping to integers, or one by blocks.
//
// importance  when given, the sums are those of measure_weighted
// data      finite, compact, floating-point
// Memory    24 bytes for each scale
// Rounding  sums as measure_error's: equal codes give equal bits, whatever the number of threads
std::optional<QuantizationError> measure_rounding(const QuantTarget& target,
                                                  const std::vector<std::int64_t>& shape,
                                                  detent_dtype dtype,
                                                  std::span<const std::byte> data, ThreadPool& pool,
                                                  const Importance* importance = nullptr);

// Is there such a thing for tensors of this target and shape?
bool can_round_plainly(const QuantTarget& target, const std::vector<std::int64_t>& shape);

// The values that they would become, into out: as many as the tensor has. false, and nothing
// written, where there is no such thing.
bool round_plainly(const QuantTarget& target, const std::vector<std::int64_t>& shape,
                   detent_dtype dtype, std::span<const std::byte> data, ThreadPool& pool,
                   std::span<float> out);

}  // namespace detent
