// SPDX-License-Identifier: Apache-2.0
#include "artifact/dequantize_foreign.hpp"

#include <cstring>
#include <span>
#include <vector>

namespace detent {
namespace {

template <class T>
T element(const HostTensor& tensor, std::size_t i) {
  T value;
  std::memcpy(&value, tensor.bytes().data() + i * sizeof(T), sizeof(T));
  return value;
}

std::vector<float> scales_of(const HostTensor& tensor) {
  std::vector<float> scales(tensor.numel());
  for (std::size_t i = 0; i < scales.size(); ++i)
    scales[i] = tensor.dtype() == DETENT_F64 ? static_cast<float>(element<double>(tensor, i))
                                             : element<float>(tensor, i);
  return scales;
}

// Within 8 bits, which was checked.
std::vector<int> zero_points_of(const HostTensor& tensor) {
  std::vector<int> zeros(tensor.numel());
  for (std::size_t i = 0; i < zeros.size(); ++i)
    zeros[i] = tensor.dtype() == DETENT_I64 ? static_cast<int>(element<std::int64_t>(tensor, i))
                                            : element<std::int32_t>(tensor, i);
  return zeros;
}

int code_at(std::span<const std::byte> codes, std::size_t i, bool nibbles) {
  if (!nibbles) return static_cast<std::int8_t>(codes[i]);
  // All codes in one list, two to a byte, the first in the low nibble, two's complement.
  const auto byte = static_cast<unsigned>(codes[i / 2]);
  const auto nibble = static_cast<int>(i % 2 == 0 ? byte & 15U : byte >> 4U);
  return nibble >= 8 ? nibble - 16 : nibble;
}

}  // namespace

void dequantize_foreign(const TensorRecord& record, const TensorStore& stored, HostTensor& out) {
  const std::vector<float> scales = scales_of(*stored.find("scale"));
  const std::vector<int> zeros = zero_points_of(*stored.find("zero_point"));
  const std::span<const std::byte> codes = stored.find("qweight")->bytes();
  const detent_qspec& spec = record.scheme.target->spec;
  const bool blocks = spec.granularity == DETENT_PER_BLOCK;
  const auto axis = blocks ? std::size_t{0} : static_cast<std::size_t>(spec.axis);
  const std::size_t rows = blocks ? static_cast<std::size_t>(spec.block_rows) : 1;
  std::size_t inner = 1;
  for (std::size_t d = axis + 1; d < record.shape.size(); ++d)
    inner *= static_cast<std::size_t>(record.shape[d]);
  const auto extent = static_cast<std::size_t>(record.shape[axis]);
  const bool nibbles = record.scheme.code_dtype == DETENT_I4;
  auto* values = reinterpret_cast<float*>(out.bytes().data());
  for (std::size_t i = 0; i < out.numel(); ++i) {
    const std::size_t group = i / inner % extent / rows;
    values[i] = static_cast<float>(code_at(codes, i, nibbles) - zeros[group]) * scales[group];
  }
}

}  // namespace detent
