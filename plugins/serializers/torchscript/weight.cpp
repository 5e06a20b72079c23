// SPDX-License-Identifier: Apache-2.0
#include "weight.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace detent::torchscript {
namespace {

[[noreturn]] void refuse(std::string_view tensor, const std::string& why) {
  throw sdk::Error(DETENT_E_UNSUPPORTED,
                   "\"" + std::string(tensor) + "\" cannot be written as TorchScript: " + why +
                       "\nkeep the layer, or use a quantizer that this serializer knows");
}

std::optional<int64_t> integer(const char* json) {
  if (json == nullptr) return std::nullopt;
  const std::string_view text(json);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const detent_tensor_spec& require(const sdk::ProgramTensor& tensor, const char* output) {
  const detent_tensor_spec* spec = tensor.stored(output);
  if (spec == nullptr) refuse(tensor.name(), std::string("its quantizer stores no ") + output);
  return *spec;
}

void read_channels(const sdk::ProgramTensor& tensor, const detent_qspec& target, Weight& w) {
  if (target.granularity != DETENT_PER_TENSOR && target.granularity != DETENT_PER_CHANNEL)
    refuse(tensor.name(), "8-bit codes have one scale, or one for each channel");
  if (target.granularity == DETENT_PER_CHANNEL) w.axis = target.axis;
  if (w.axis >= static_cast<int64_t>(w.shape.size())) refuse(tensor.name(), "no such axis");
  const int32_t scales = tensor.stored("scale")->ndim;
  if (scales != (w.axis < 0 ? 0 : 1)) refuse(tensor.name(), "its scales have another shape");
  if (!w.zero.empty()) return;
  w.zero_code = integer(tensor.meta().meta("zero_point")).value_or(0);
}

void read_groups(const sdk::ProgramTensor& tensor, const detent_qspec& target, Weight& w) {
  if (target.granularity != DETENT_PER_GROUP || target.group_size < 1)
    refuse(tensor.name(), "4-bit codes have one scale for each group");
  int64_t rows = 1;
  w.columns = 1;
  for (size_t d = 0; d < w.shape.size(); ++d)
    (d == 0 && w.shape.size() > 1 ? rows : w.columns) *= w.shape[d];
  if (rows < 1 || w.columns < 1) refuse(tensor.name(), "it has no elements");
  w.group = std::min(target.group_size, w.columns);
  const detent_tensor_spec& scale = *tensor.stored("scale");
  const int64_t groups = (w.columns - 1) / w.group + 1;
  if (scale.ndim != 2 || scale.shape[0] != rows || scale.shape[1] != groups)
    refuse(tensor.name(), "its scales have another shape");
}

void read_affine(const sdk::ProgramTensor& tensor, Weight& w) {
  const detent_qspec* target = tensor.qspec();
  if (target == nullptr) refuse(tensor.name(), "its quantizer did not say what it aims at");
  if (const auto& scale = require(tensor, "scale"); scale.dtype != DETENT_F32)
    refuse(tensor.name(), "its scales are no float32");
  w.scale = require(tensor, "scale").name;
  if (const detent_tensor_spec* zero = tensor.stored("zero_point")) w.zero = zero->name;
  if (w.code_dtype == DETENT_I8 || w.code_dtype == DETENT_U8) {
    w.codes = Weight::Codes::affine;
    return read_channels(tensor, *target, w);
  }
  if (w.code_dtype != DETENT_I4) refuse(tensor.name(), "its codes are neither 8 nor signed 4 bits");
  w.codes = Weight::Codes::int4;
  read_groups(tensor, *target, w);
}

}  // namespace

int64_t type_number(detent_dtype dtype, std::string_view tensor) {
  switch (dtype) {
    case DETENT_F16: return 5;
    case DETENT_F32: return 6;
    case DETENT_F64: return 7;
    case DETENT_BF16: return 15;
    default: refuse(tensor, "its type is none of float16, bfloat16, float32, float64");
  }
}

Weight read_weight(const sdk::ProgramTensor& tensor) {
  Weight w;
  w.name = tensor.name();
  w.shape = tensor.shape();
  w.dtype = tensor.dtype();
  type_number(w.dtype, w.name);
  const detent_tensor_spec& codes = require(tensor, "qweight");
  if (w.name != codes.name) refuse(w.name, "its codes have another name");
  w.code_dtype = codes.dtype;
  if (tensor.scheme() == "detent.affine/1") {
    read_affine(tensor, w);
  } else if (tensor.scheme() == "detent.cast/1" && sdk::is_floating_point(codes.dtype)) {
    w.codes = Weight::Codes::cast;
  } else {
    refuse(w.name, "the mapping \"" + std::string(tensor.scheme()) + "\" is unknown here");
  }
  return w;
}

}  // namespace detent::torchscript
