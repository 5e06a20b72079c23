// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "plugins.hpp"

namespace acme {
namespace {

constexpr double kMost = 3;  // codes -3..3

// scale[row] of a [rows, ...] weight: the largest magnitude of the row over kMost; 1 for a zero
// row.
std::vector<float> row_scales(const sdk::TensorView& weight, double clip) {
  std::vector<double> largest(static_cast<size_t>(weight.size(0)), 0.0);
  weight.for_each(0, [&](double value, int64_t row) {
    double& m = largest[static_cast<size_t>(row)];
    m = std::max(m, std::fabs(value));
  });
  std::vector<float> scales;
  for (const double m : largest) {
    const double scale = std::min<double>(m * clip / kMost, FLT_MAX);
    scales.push_back(scale < FLT_MIN ? 1.0F : static_cast<float>(scale));
  }
  return scales;
}

}  // namespace

sdk::Status Int3::plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) {
  if (tensor.param != "weight" || tensor.shape.size() < 2)
    return planner.decline("acme.int3 takes weights of two or more dimensions");
  detent_qspec target{};
  target.struct_size = sizeof target;
  target.qdtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.zero_dtype = DETENT_I8;
  target.symmetric = 1;
  target.granularity = DETENT_PER_CHANNEL;
  target.qmin = -3;
  target.qmax = 3;
  target.scheme = "acme.int3/1";
  if (const sdk::Status s = planner.target(target); !s.ok()) return s;
  if (const sdk::Status s = planner.output("qweight", DETENT_I8, tensor.shape); !s.ok()) return s;
  if (const sdk::Status s = planner.meta("scheme", "\"acme.int3/1\""); !s.ok()) return s;
  return planner.output("scale", DETENT_F32, {tensor.shape[0]});
}

sdk::Status Int3::quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                           const sdk::Sink& out, const sdk::Call& call) {
  const int64_t rows = weight.size(0);
  std::vector<float> scales = row_scales(weight, clip_);
  if (const float* observed = stats.data<float>("scale", rows); observed != nullptr)
    scales.assign(observed, observed + rows);
  float* scale = out.create<float>("scale", {rows});
  int8_t* codes = out.create<int8_t>("qweight", weight.shape());
  if (weight.numel() != 0 && (scale == nullptr || codes == nullptr))
    return {DETENT_E_NO_MEMORY, "the host gave no room for the codes"};
  std::copy(scales.begin(), scales.end(), scale);
  const bool known = weight.for_each(0, [&](double value, int64_t row) {
    const double code = std::nearbyint(value / scales[static_cast<size_t>(row)]);
    *codes++ = static_cast<int8_t>(std::min(std::max(code, -kMost), kMost));
  });
  if (!known) return {DETENT_E_UNSUPPORTED, "acme.int3 takes floating-point weights"};
  return call.cancelled() ? sdk::Status(DETENT_E_CANCELLED) : sdk::Status();
}

sdk::Status Int3::dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                             const sdk::Call&) {
  const sdk::TensorView view = out.view();
  const int64_t rows = view.size(0), n = view.numel();
  const int8_t* codes = quantized.data<int8_t>("qweight", n);
  const float* scale = quantized.data<float>("scale", rows);
  if (n != 0 && (codes == nullptr || scale == nullptr))
    return {DETENT_E_INVALID_ARG, "qweight or scale is missing"};
  float* to = out.data<float>();
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(codes[i]) * scale[i / (n / rows)];
  return {};
}

}  // namespace acme
