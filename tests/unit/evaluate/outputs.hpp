// SPDX-License-Identifier: Apache-2.0
// Outputs of programs, written down.
#pragma once
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "evaluate/output_comparison.hpp"

namespace detent::test {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInf = std::numeric_limits<float>::infinity();

template <class T>
std::unique_ptr<HostTensor> tensor(detent_dtype dtype, std::vector<std::int64_t> shape,
                                   const std::vector<T>& values) {
  auto t = std::make_unique<HostTensor>("", dtype, std::move(shape));
  if (t->bytes().size() != values.size() * sizeof(T)) throw std::length_error("shape and values");
  if (!values.empty()) std::memcpy(t->bytes().data(), values.data(), t->bytes().size());
  return t;
}

inline std::unique_ptr<HostTensor> floats(std::vector<std::int64_t> shape,
                                          const std::vector<float>& values) {
  return tensor(DETENT_F32, std::move(shape), values);
}

inline std::unique_ptr<HostTensor> longs(std::vector<std::int64_t> shape,
                                         const std::vector<std::int64_t>& values) {
  return tensor(DETENT_I64, std::move(shape), values);
}

template <class... T>
Outputs outputs(T... tensors) {
  Outputs all;
  (all.push_back(std::move(tensors)), ...);
  return all;
}

inline Outputs one(std::vector<std::int64_t> shape, const std::vector<float>& values) {
  return outputs(floats(std::move(shape), values));
}

}  // namespace detent::test
