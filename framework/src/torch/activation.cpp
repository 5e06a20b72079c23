// SPDX-License-Identifier: Apache-2.0
#include "torch/activation.hpp"

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

// As docs/numerics.md has it: float64, a zero range or one too small for a float gives scale 1.
void choose(const at::Tensor& x, Quantization& q) {
  auto [low, high] = range_of(x, q.axis);
  low = low.to(at::kDouble);
  high = high.to(at::kDouble);
  const auto levels = static_cast<double>(q.qmax - q.qmin);
  const auto above_zero = static_cast<double>(q.qmax - q.symmetric_zero);
  at::Tensor scale = q.symmetric ? at::maximum(-low, high) / above_zero
                                 : high / levels - low / levels;  // the difference may overflow
  scale = at::where(scale < double{std::numeric_limits<float>::min()},
                    at::ones({}, scale.options()), scale);
  const auto lowest = static_cast<double>(q.qmin);
  const auto highest = static_cast<double>(q.qmax);
  q.zero_point = q.symmetric ? at::full_like(scale, static_cast<double>(q.symmetric_zero))
                             : at::round(lowest - low / scale).clamp(lowest, highest);
  q.scale = scale.to(at::kFloat);
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
