// SPDX-License-Identifier: Apache-2.0
#include "quantize/importance.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "plan/statistics.hpp"
#include "quantize/error_sums.hpp"
#include "quantize/weighted_sums.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse_channels(const TensorInfo& weight, const StatisticPlan& plan,
                                  std::uint64_t channels) {
  throw Error(
      ErrorCode::quantization,
      fmt::format("the inputs of {} that use \"{}\" have {} channels, which fit none of its "
                  "shape [{}]",
                  plan.op, weight.name, channels, fmt::join(weight.shape, ", ")),
      fmt::format("quantize \"{}\" without what needs \"{}\"", weight.name, plan.statistic),
      {.tensor = weight.name, .layer = weight.layer});
}

std::vector<double> values_of(const HostTensor& mean_square) {
  std::vector<double> values(mean_square.numel());
  if (!values.empty())
    std::memcpy(values.data(), mean_square.bytes().data(), values.size() * sizeof(double));
  return values;
}

}  // namespace

InputStatistics statistics_of(const Plan& plan, const Calibration& calibration,
                              std::size_t tensor) {
  InputStatistics found;
  for (std::size_t i = 0; i < plan.statistics.size(); ++i)
    if (plan.statistics[i].tensor == tensor)
      found.push_back({&plan.statistics[i], calibration.statistics[i].values.get()});
  return found;
}

Importance::Importance(const TensorInfo& weight, const StatisticPlan& plan,
                       const HostTensor& mean_square)
    : values_(values_of(mean_square)), shape_(weight.shape), strides_(weight.shape.size(), 0) {
  const std::uint64_t channels = values_.size();
  if (!spread_along(plan.channel_dim)) refuse_channels(weight, plan, channels);
}

bool Importance::spread_along(ChannelDim dim) {
  const std::size_t last = shape_.size() - 1;
  switch (dim) {
    case ChannelDim::first: return fits(0) && spread(0);
    case ChannelDim::last: return fits(last) && spread(last);
    case ChannelDim::matching: return fits(0) != fits(1) && spread(fits(0) ? 0 : 1);
    case ChannelDim::second: return spread_over_groups();
  }
  return false;
}

bool Importance::fits(std::size_t dim) const {
  return dim < shape_.size() && static_cast<std::uint64_t>(shape_[dim]) == values_.size();
}

bool Importance::spread(std::size_t dim) {
  strides_[dim] = 1;
  for (std::size_t d = dim + 1; d < shape_.size(); ++d)
    inner_ *= static_cast<std::uint64_t>(std::max<std::int64_t>(shape_[d], 1));
  return true;
}

// Output o belongs to group o / (outputs / groups) and sees the channels of its group alone.
bool Importance::spread_over_groups() {
  if (fits(1)) return spread(1);
  if (shape_.size() < 2 || shape_[0] < 1 || shape_[1] < 1 || values_.empty()) return false;
  const auto outputs = static_cast<std::uint64_t>(shape_[0]);
  const auto in = static_cast<std::uint64_t>(shape_[1]);
  const std::uint64_t groups = values_.size() / in;
  if (values_.size() % in != 0 || outputs % groups != 0) return false;
  const std::vector<double> channels = std::exchange(values_, {});
  values_.reserve(outputs * in);
  for (std::uint64_t o = 0; o < outputs; ++o) {
    const std::uint64_t group = o / (outputs / groups);
    const auto first = channels.begin() + static_cast<std::ptrdiff_t>(group * in);
    values_.insert(values_.end(), first, first + static_cast<std::ptrdiff_t>(in));
  }
  strides_[0] = shape_[1];
  return spread(1);
}

detent_tensor Importance::view() const {
  detent_tensor t{};
  // Read-only says the flag; the struct is the same for both.
  t.data = const_cast<double*>(values_.data());
  t.device_type = DETENT_DEVICE_CPU;
  t.ndim = static_cast<std::int32_t>(shape_.size());
  t.dtype = DETENT_F64;
  t.shape = shape_.data();
  t.strides = strides_.data();
  t.nbytes = values_.size() * sizeof(double);
  t.flags = DETENT_TENSOR_READ_ONLY;
  if (std::find(shape_.begin(), shape_.end(), 0) != shape_.end()) t.data = nullptr, t.nbytes = 0;
  return t;
}

std::optional<Importance> importance_of(const TensorInfo& weight, const InputStatistics& inputs) {
  for (const InputStatistic& s : inputs)
    if (s.plan->statistic == kSecondMoment)
      return Importance(weight, *s.plan, *s.values->find("mean_square"));
  return std::nullopt;
}

void lend_statistics(const std::vector<std::string>& required, const InputStatistics& inputs,
                     TensorStore& stats) {
  for (const InputStatistic& s : inputs) {
    if (std::find(required.begin(), required.end(), s.plan->statistic) == required.end()) continue;
    for (const auto& tensor : s.values->tensors()) {
      const std::string name = "input." + tensor->name();
      if (stats.find(name) != nullptr)
        throw Error(ErrorCode::plugin,
                    fmt::format("\"{}\": two of the statistics that its quantizer requires have a "
                                "tensor \"{}\"",
                                s.plan->weight, tensor->name()),
                    "report this to the quantizer's vendor", {.tensor = s.plan->weight});
      const std::span<std::byte> to = stats.add(name, tensor->dtype(), tensor->shape()).bytes();
      std::copy(tensor->bytes().begin(), tensor->bytes().end(), to.begin());
    }
  }
}

QuantizationError measure_weighted(detent_dtype dtype, std::span<const std::byte> original,
                                   std::span<const float> dequantized, const Importance& importance,
                                   ThreadPool& pool) {
  return sum_errors(dtype, original, dequantized, pool, [&] { return WeightedSums(importance); });
}

}  // namespace detent
