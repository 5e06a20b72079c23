// SPDX-License-Identifier: Apache-2.0
// Tensors for the API's tests, and what is asked of its results.
#pragma once
#include <string>
#include <vector>

#include "support/tiny_model.hpp"
#include <detent/detent.hpp>

namespace detent::test {

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

inline LentTensor lend(const TinyTensor& t, const std::string& type = {}) {
  return {t.name, t.dtype == "F32" ? DETENT_F32 : DETENT_I64, t.shape, bytes_of(t.bytes), type};
}

inline std::vector<LentTensor> lend(const std::vector<TinyTensor>& tensors) {
  std::vector<LentTensor> lent;
  for (const TinyTensor& t : tensors) lent.push_back(lend(t));
  return lent;
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline const OwnedTensor* stored(const QuantizedModel& model, const std::string& tensor,
                                 const std::string& name) {
  const QuantizedTensor* of = model.find(tensor);
  if (of == nullptr) return nullptr;
  for (const OwnedTensor& t : of->stored)
    if (t.name == name) return &t;
  return nullptr;
}

template <class T>
std::vector<T> values(const OwnedTensor& tensor) {
  const std::span<const T> all = tensor.as<T>();
  return {all.begin(), all.end()};
}

inline QuantizeOptions with_rules(const std::string& rules) {
  return {.rules = rules, .plugin_folders = {DETENT_TEST_PLUGINS}};
}

// Three kinds of quantizer over the tiny network; the rest is kept.
inline const char* const kMixedRules = R"([
  {"match": {"type": "Conv2d"}, "weight": {"quantizer": "int8", "params": {"symmetric": false}}},
  {"match": {"name": "fc1"}, "weight": {"quantizer": "int4_groupwise", "params": {"group_size": 32}}},
  {"match": {"type": "Embedding"}, "weight": {"quantizer": "fp16"}}])";

}  // namespace detent::test
