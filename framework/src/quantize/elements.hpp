// SPDX-License-Identifier: Apache-2.0
// Reading the elements of floating-point data as double, whatever their type.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <detent/sdk/tensor_view.hpp>

namespace detent {

// Work is cut into blocks of so many elements, which does not depend on the number of threads.
constexpr std::uint64_t kBlock = 1U << 16U;

inline std::uint64_t block_count(std::uint64_t elements) {
  return elements / kBlock + (elements % kBlock != 0 ? 1 : 0);
}

// Calls f(reader) with a function that reads element i of the data as double; false for other
// dtypes.
template <class F>
bool with_reader(detent_dtype dtype, const std::byte* data, F&& f) {
  const auto load = [data]<class T>(std::uint64_t i, T) {
    T value;
    std::memcpy(&value, data + i * sizeof(T), sizeof(T));
    return value;
  };
  switch (dtype) {
    case DETENT_F32: f([=](std::uint64_t i) { return double{load(i, float{})}; }); return true;
    case DETENT_F64: f([=](std::uint64_t i) { return load(i, double{}); }); return true;
    case DETENT_F16:
      f([=](std::uint64_t i) { return double{sdk::half_to_float(load(i, std::uint16_t{}))}; });
      return true;
    case DETENT_BF16:
      f([=](std::uint64_t i) { return double{sdk::bfloat16_to_float(load(i, std::uint16_t{}))}; });
      return true;
    default: return false;
  }
}

}  // namespace detent
