// SPDX-License-Identifier: Apache-2.0
// Reading the elements of floating-point data as double, whatever their type.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "plan/blocks.hpp"
#include <detent/kernels/element.hpp>

namespace detent {

// Work is cut into blocks of so many elements, which does not depend on the number of threads.
constexpr std::uint64_t kBlock = kErrorBlock;

inline std::uint64_t block_count(std::uint64_t elements) {
  return elements / kBlock + (elements % kBlock != 0 ? 1 : 0);
}

// Elements of one type, which need not be aligned: those from `begin` on of something longer.
template <class T>
class ElementReader {
 public:
  ElementReader(const std::byte* data, std::uint64_t begin) : data_(data), begin_(begin) {}
  double operator()(std::uint64_t i) const {
    T value;
    std::memcpy(&value, data_ + (i - begin_) * sizeof(T), sizeof(T));
    return kernels::to_double(value);
  }
  // For kernels, which take pointers of any alignment.
  const T* at(std::uint64_t i) const {
    return reinterpret_cast<const T*>(data_ + (i - begin_) * sizeof(T));
  }

 private:
  const std::byte* data_;
  std::uint64_t begin_;
};

// Calls f(reader) with what reads the elements of the data, the first of which has the index
// `begin`; false for other dtypes.
template <class F>
bool with_reader(detent_dtype dtype, const std::byte* data, F&& f, std::uint64_t begin = 0) {
  switch (dtype) {
    case DETENT_F32: f(ElementReader<float>(data, begin)); return true;
    case DETENT_F64: f(ElementReader<double>(data, begin)); return true;
    case DETENT_F16: f(ElementReader<kernels::Half>(data, begin)); return true;
    case DETENT_BF16: f(ElementReader<kernels::BFloat16>(data, begin)); return true;
    default: return false;
  }
}

}  // namespace detent
