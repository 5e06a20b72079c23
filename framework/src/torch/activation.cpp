// SPDX-License-Identifier: Apache-2.0
#include "torch/activation.hpp"

#include <detent/abi.h>
#include <limits>

namespace detent::torch_worker {
namespace {

// One value per channel, in a shape that broadcasts over x.
at::Tensor along_axis(const at::Tensor& values, const at::Tensor& x, std::int64_t axis) {
  if (axis < 0 || values.dim() == 0) return values;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[static_cast<std::size_t>(axis)] = values.numel();
  return values.reshape(shape);
}

// The least and greatest finite value, of all or of each channel, and zero.
std::pair<at::Tensor, at::Tensor> range_of(const at::Tensor& x, std::int64_t axis) {
  const at::Tensor finite = at::where(at::isfinite(x), x, at::zeros({}, x.options()));
  at::Tensor low = finite;
  at::Tensor high = finite;
  if (axis < 0) {
    std::tie(low, high) = at::aminmax(finite);
  } else {
    std::vector<std::int64_t> others;
    for (std::int64_t d = 0; d < x.dim(); ++d)
      if (d != axis) others.push_back(d);
    low = at::amin(finite, others);
    high = at::amax(finite, others);
  }
  return {low.clamp_max(0), high.clamp_min(0)};
}

bool has(const Quantization& q, std::uint64_t rule) { return (q.rules & rule) != 0; }

at::Tensor scale_of(const at::Tensor& low, const at::Tensor& high, const Quantization& q) {
  const auto levels = static_cast<double>(q.qmax - q.qmin);
  if (q.symmetric) {
    const bool half = has(q, DETENT_AFFINE_HALF_RANGE);
    const double divisor = half ? levels / 2 : static_cast<double>(q.qmax - q.symmetric_zero);
    return at::maximum(-low, high) / divisor;
  }
  const at::Tensor scale = (high - low) / levels;
  return at::where(at::isfinite(scale), scale, high / levels - low / levels);
}

// As docs/numerics.md has it: float64, a zero range or one too small for a float gives scale 1;
// unless the target has a rule of its own (detent/abi/base.h).
void choose(const at::Tensor& x, Quantization& q) {
  auto [low, high] = range_of(x, q.axis);
  const auto arithmetic = has(q, DETENT_AFFINE_FLOAT32) ? at::kFloat : at::kDouble;
  low = low.to(arithmetic);
  high = high.to(arithmetic);
  at::Tensor scale = scale_of(low, high, q);
  if (!has(q, DETENT_AFFINE_FLOOR_ZERO_ONLY)) scale = scale.clamp_min(q.min_scale);
  const at::Tensor is_zero = scale < double{std::numeric_limits<float>::min()};
  scale = scale.masked_fill(is_zero, q.min_scale > 0 ? q.min_scale : 1.0);
  const auto lowest = static_cast<double>(q.qmin);
  const auto highest = static_cast<double>(q.qmax);
  const at::Tensor steps = low / scale;
  const at::Tensor zero =
      has(q, DETENT_AFFINE_ROUND_LO_FIRST) ? lowest - at::round(steps) : at::round(lowest - steps);
  q.zero_point = q.symmetric ? at::full_like(scale, static_cast<double>(q.symmetric_zero))
                             : zero.masked_fill(is_zero, 0.0).clamp(lowest, highest);
  // No code stands for more than the largest float32.
  constexpr double kLargest = std::numeric_limits<float>::max() * (1 - 0x1p-23);
  const at::Tensor farthest = at::maximum(highest - q.zero_point, q.zero_point - lowest);
  q.scale = at::minimum(scale.to(at::kDouble), kLargest / farthest.to(at::kDouble)).to(at::kFloat);
  q.zero_point = q.zero_point.to(at::kFloat);
}

}  // namespace

at::Tensor quantize_dequantize(const at::Tensor& x, const Quantization& q) {
  if (!x.is_floating_point() || x.numel() == 0) return x;
  if (q.axis >= x.dim())
    throw std::runtime_error("the activation has no axis " + std::to_string(q.axis));
  Quantization chosen = q;
  const at::Tensor values = x.to(at::kFloat);
  if (q.dynamic) choose(values, chosen);
  const at::Tensor scale = along_axis(chosen.scale, x, q.axis);
  const at::Tensor zero = along_axis(chosen.zero_point, x, q.axis);
  const at::Tensor codes = at::clamp(at::round(values / scale) + zero, static_cast<double>(q.qmin),
                                     static_cast<double>(q.qmax));
  return ((codes - zero) * scale).to(x.scalar_type());
}

}  // namespace detent::torch_worker
