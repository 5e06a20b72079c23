// SPDX-License-Identifier: Apache-2.0
// The built-in observers with each of their methods, and the bytes of what they say.
#pragma once
#include <string>
#include <vector>

#include "support/mini_host.hpp"

namespace detent::test {

struct ObserverKind {
  std::string name;    // for messages
  std::string plugin;  // its id
  Params params;
  bool merges;
};

inline const std::vector<ObserverKind>& all_observers() {
  static const std::vector<ObserverKind> kinds = {
      {"minmax", "minmax", {}, true},
      {"ema", "ema", {{"/averaging_constant", 0.25}}, false},
      {"histogram kl", "histogram", {{"/method", "kl"}}, true},
      {"histogram mse", "histogram", {{"/method", "mse"}}, true},
      {"histogram percentile", "histogram", {{"/method", "percentile"}}, true}};
  return kinds;
}

inline std::vector<ObserverKind> merging_observers() {
  std::vector<ObserverKind> merging;
  for (const ObserverKind& kind : all_observers())
    if (kind.merges) merging.push_back(kind);
  return merging;
}

inline Observer fresh(const ObserverKind& kind, const detent_qspec& spec = qspec(),
                      Order order = Order::forward) {
  return Observer(Library::built_in(kind.plugin).plugin(kind.plugin), kind.params, spec, order);
}

inline Observer saw(const ObserverKind& kind, const std::vector<Tensor>& batches,
                    const detent_qspec& spec = qspec(), Order order = Order::forward) {
  Observer observer = fresh(kind, spec, order);
  for (const Tensor& batch : batches) observer.observe(batch);
  return observer;
}

// Scale, zero point and range, byte for byte; or why there are none.
inline std::string parameters_of(const Observer& observer, const detent_qspec& spec = qspec()) {
  Results results;
  if (observer.try_qparams(spec, results) != DETENT_OK) return observer.error();
  std::string bytes;
  for (const char* const name : {"scale", "zero_point", "range_min", "range_max"}) {
    if (!results.has(name)) continue;
    const auto& part = results.tensor(name).bytes();
    bytes.append(part.begin(), part.end());
  }
  return bytes;
}

inline std::vector<std::int64_t> zero_points_of(const Results& results) {
  std::vector<std::int64_t> out;
  if (!results.has("zero_point")) return out;
  const bool is_signed = results.tensor("zero_point").dtype() == DETENT_I8;
  for (const std::uint8_t byte : results.tensor("zero_point").bytes())
    out.push_back(is_signed ? std::int64_t{static_cast<std::int8_t>(byte)} : byte);
  return out;
}

}  // namespace detent::test
