// SPDX-License-Identifier: Apache-2.0
#include "common/stored.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace detent::quantizers {
namespace {

using sdk::Error;

std::string quoted(const char* name) { return "\"" + std::string(name) + "\""; }

std::string to_text(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

[[noreturn]] void refuse(const char* name, const std::string& what) {
  throw Error(DETENT_E_UNSUPPORTED, "the tensor " + quoted(name) + " " + what);
}

std::vector<std::int32_t> read_zero_points(const sdk::Source& source, const Shape& shape,
                                           std::size_t count, const ZeroPoints& zero) {
  if (source.get("zero_point") == nullptr) {
    if (!zero.otherwise) refuse("zero_point", "is missing");
    return std::vector<std::int32_t>(count, *zero.otherwise);
  }
  const char* bytes = require_tensor(source, "zero_point", zero.dtype, shape);
  std::vector<std::int32_t> points(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    points[i] = zero.dtype == DETENT_I8 ? static_cast<signed char>(byte) : byte;
    if (points[i] < zero.codes.min || points[i] > zero.codes.max)
      throw Error(DETENT_E_NUMERIC,
                  "zero point " + std::to_string(points[i]) + " is not among the codes " +
                      std::to_string(zero.codes.min) + ".." + std::to_string(zero.codes.max));
  }
  return points;
}

}  // namespace

const char* require_tensor(const sdk::Source& source, const char* name, detent_dtype dtype,
                           const Shape& shape) {
  const detent_tensor* tensor = source.get(name);
  if (tensor == nullptr) refuse(name, "is missing");
  if (tensor->dtype != dtype)
    refuse(name, "has another type than the codes, scales and shapes say");
  const sdk::TensorView view(*tensor);
  if (tensor->ndim < 0) refuse(name, "has a negative number of dimensions");
  if (view.shape() != shape)
    refuse(name, "has the shape " + to_text(view.shape()) + " and not " + to_text(shape));
  if (!view.contiguous()) refuse(name, "is not compact");
  const std::uint64_t needed = detent_nbytes(dtype, tensor->ndim, shape.data());
  if (needed == UINT64_MAX || tensor->nbytes < needed ||
      tensor->byte_offset > tensor->nbytes - needed)
    refuse(name, "is shorter than its shape " + to_text(shape) + " says");
  if (tensor->data == nullptr && needed != 0) refuse(name, "has no bytes");
  return view.bytes();
}

std::vector<float> require_scales(const sdk::Source& source, const Shape& shape) {
  const char* bytes = require_tensor(source, "scale", DETENT_F32, shape);
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  std::vector<float> scales(count);
  if (count != 0) std::memcpy(scales.data(), bytes, count * sizeof(float));
  for (const float scale : scales) {
    if (!(scale >= std::numeric_limits<float>::min() && std::isfinite(scale)))
      throw Error(DETENT_E_NUMERIC,
                  "a scale is " + to_text(scale) + ", which is not a positive normal number");
  }
  return scales;
}

std::vector<kernels::AffineParams> require_params(const sdk::Source& source, const Shape& shape,
                                                  const ZeroPoints& zero) {
  const std::vector<float> scales = require_scales(source, shape);
  const auto points = read_zero_points(source, shape, scales.size(), zero);
  std::vector<kernels::AffineParams> params(scales.size());
  for (std::size_t i = 0; i < params.size(); ++i) params[i] = {scales[i], points[i]};
  return params;
}

std::optional<std::int64_t> integer_meta(const sdk::Source& source, const char* key) {
  const char* text = source.meta(key);
  if (text == nullptr) return std::nullopt;
  const char* end = text + std::strlen(text);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text, end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    throw Error(DETENT_E_UNSUPPORTED, "the metadata " + quoted(key) + " is not an integer");
  return value;
}

float* require_output(const sdk::MutableTensor& out) {
  const detent_tensor& raw = out.raw();
  const std::uint64_t needed = detent_nbytes(raw.dtype, raw.ndim, raw.shape);
  if (raw.dtype != DETENT_F32 || needed == UINT64_MAX || raw.nbytes < needed)
    throw Error(DETENT_E_INVALID_ARG, "dequantize needs a float32 tensor of the weight's shape");
  return static_cast<float*>(out.bytes());
}

std::string to_text(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

void must(const sdk::Status& status) {
  if (!status.ok()) throw Error(status.code(), status.message());
}

}  // namespace detent::quantizers
