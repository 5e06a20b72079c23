// SPDX-License-Identifier: Apache-2.0
#include "nf3.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

namespace northwind {
namespace {

// Quantiles of the normal distribution at four points between 0.5 and 0.9677083 and, mirrored, at
// three; and zero; divided by the largest. Ends and zero are exact.
constexpr float kLevels[8] = {-1.0F,       -0.47862917F, -0.21714182F, 0.0F,
                              0.16093017F, 0.33791518F,  0.56261694F,  1.0F};
constexpr const char* kCodebook =
    "[-1.0, -0.47862917, -0.21714182, 0.0, 0.16093017, 0.33791518, 0.56261694, 1.0]";

// The level that is nearest to x; the lower one of two that are.
uint8_t nearest(double x) {
  uint8_t code = 0;
  for (uint8_t k = 1; k < 8; ++k) {
    const double middle = (double{kLevels[k - 1]} + double{kLevels[k]}) / 2;
    if (x > middle) code = k;
  }
  return code;
}

void pack(uint8_t* row, int64_t i, uint8_t code) {
  const int64_t bit = 3 * i;
  const auto shifted = static_cast<unsigned>(code) << (bit % 8);
  row[bit / 8] = static_cast<uint8_t>(row[bit / 8] | (shifted & 0xFF));
  if (shifted > 0xFF) row[bit / 8 + 1] = static_cast<uint8_t>(shifted >> 8);
}

uint8_t unpack(const uint8_t* row, int64_t i) {
  const int64_t bit = 3 * i;
  unsigned pair = row[bit / 8];
  if (bit % 8 > 5) pair |= static_cast<unsigned>(row[bit / 8 + 1]) << 8;
  return static_cast<uint8_t>(pair >> (bit % 8) & 7);
}

// A weight as a matrix, and the shapes of what is made of it.
struct Matrix {
  Matrix(const std::vector<int64_t>& shape, int64_t group_size) {
    rows = shape[0];
    columns = 1;
    for (size_t d = 1; d < shape.size(); ++d) columns *= shape[d];
    packed = (3 * columns + 7) / 8;
    groups = (columns + group_size - 1) / group_size;
  }
  int64_t rows, columns, packed, groups;
};

float scale_of(const double* values, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
  const auto scale = static_cast<float>(std::min<double>(largest, FLT_MAX));
  return scale < FLT_MIN ? 1.0F : scale;
}

}  // namespace

Nf3::Nf3(const sdk::Config& config) : group_size_(config.params.get("/group_size", int64_t{64})) {
  if (config.role == DETENT_ROLE_ACTIVATION)
    throw sdk::Error(DETENT_E_PARAMS,
                     "northwind.nf3 quantizes weights, not activations\n"
                     "name another quantizer under \"activation\"");
}

sdk::Status Nf3::plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) {
  if (!sdk::is_floating_point(tensor.dtype)) return planner.decline("not a floating-point tensor");
  if (tensor.param.find("weight") == std::string_view::npos)
    return planner.decline("parameter \"" + std::string(tensor.param) + "\" is not a weight");
  if (tensor.shape.size() < 2) return planner.decline("one-dimensional parameter");
  if (tensor.numel() == 0) return planner.decline("no elements");
  const Matrix m(tensor.shape, group_size_);
  for (const sdk::Status& s :
       {planner.output("qweight", DETENT_U8, {m.rows, m.packed}),
        planner.output("scale", DETENT_F32, {m.rows, m.groups}),
        planner.meta("scheme", "\"northwind.nf3/1\""), planner.meta("codebook", kCodebook),
        planner.meta("group_size", std::to_string(group_size_)), planner.meta("bits", "3")})
    if (!s.ok()) return s;
  return {};
}

sdk::Status Nf3::quantize(const sdk::TensorView& weight, const sdk::Source&, const sdk::Sink& out,
                          const sdk::Call& call) {
  if (weight.ndim() < 2 || !sdk::is_floating_point(weight.dtype()))
    return {DETENT_E_UNSUPPORTED,
            "northwind.nf3 takes floating-point weights of two or more dimensions"};
  const Matrix m(weight.shape(), group_size_);
  float* scale = out.create<float>("scale", {m.rows, m.groups});
  uint8_t* codes = out.create<uint8_t>("qweight", {m.rows, m.packed});
  if (weight.numel() == 0) return {};
  if (scale == nullptr || codes == nullptr)
    return {DETENT_E_NO_MEMORY, "the host gave no room for the codes"};
  std::vector<double> row;
  for (int64_t r = 0; r < m.rows; ++r, codes += m.packed) {
    if (call.cancelled()) return {DETENT_E_CANCELLED};
    row.clear();
    const detent_tensor view = detent_row(&weight.raw(), r);
    sdk::TensorView(view).for_each(-1, [&](double value, int64_t) { row.push_back(value); });
    if (!std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); }))
      return {DETENT_E_NUMERIC, "row " + std::to_string(r) + " holds NaN or infinite values"};
    for (int64_t i = 0; i < m.columns; ++i) {
      const int64_t left = std::min(group_size_, m.columns - i);
      if (i % group_size_ == 0) *scale++ = scale_of(row.data() + i, left);
      pack(codes, i, nearest(row[static_cast<size_t>(i)] / double{scale[-1]}));
    }
  }
  return {};
}

// The size of the groups is that of what is stored; everything else follows from the shape.
sdk::Status Nf3::dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                            const sdk::Call& call) {
  float* values = out.data<float>();
  const sdk::TensorView to = out.view();
  if (to.ndim() < 2 || to.dtype() != DETENT_F32)
    return {DETENT_E_UNSUPPORTED, "northwind.nf3 gives float32 of two or more dimensions"};
  if (to.numel() == 0) return {};
  const char* said = quantized.meta("group_size");
  const int64_t group_size = said != nullptr ? std::strtoll(said, nullptr, 10) : group_size_;
  if (group_size < 1 || group_size > 1024)
    return {DETENT_E_INVALID_ARG, "\"group_size\" is not as it was made"};
  const Matrix m(to.shape(), group_size);
  const uint8_t* codes = quantized.data<uint8_t>("qweight", m.rows * m.packed);
  const float* scale = quantized.data<float>("scale", m.rows * m.groups);
  if (codes == nullptr || scale == nullptr)
    return {DETENT_E_INVALID_ARG, "\"qweight\" or \"scale\" is missing, or not as it was made"};
  for (int64_t r = 0; r < m.rows; ++r, codes += m.packed, scale += m.groups) {
    if (call.cancelled()) return {DETENT_E_CANCELLED};
    for (int64_t i = 0; i < m.columns; ++i)
      *values++ = kLevels[unpack(codes, i)] * scale[i / group_size];
  }
  return {};
}

}  // namespace northwind
