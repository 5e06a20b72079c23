// SPDX-License-Identifier: Apache-2.0
#include "int4_groupwise/skip_rules.hpp"

#include <algorithm>

#include "common/layer_rules.hpp"

namespace detent::quantizers {
namespace {

constexpr std::uint64_t kFewParameters = 512;

// The largest divisor of n in 2..most, 0 when there is none.
std::int64_t largest_divisor(std::int64_t n, std::int64_t most) {
  for (std::int64_t d = std::min(n, most); d >= 2; --d)
    if (n % d == 0) return d;
  return 0;
}

}  // namespace

std::string why_skipped_by_default(const sdk::TensorInfo& tensor) {
  constexpr const char* kHint = " (\"default_skip\": false includes it)";
  if (tensor.layer_type == "Embedding" || tensor.layer_type == "EmbeddingBag")
    return "embedding layer" + std::string(kHint);
  if (tensor.layer.substr(tensor.layer.rfind('.') + 1) == "lm_head")
    return "output layer lm_head" + std::string(kHint);
  if (tensor.layer_params < kFewParameters)
    return "layer with " + std::to_string(tensor.layer_params) + " parameters, fewer than " +
           std::to_string(kFewParameters) + kHint;
  return {};
}

std::string explain_misfit(const sdk::TensorInfo& tensor, std::int64_t columns,
                           std::int64_t group_size) {
  std::string text = "group_size " + std::to_string(group_size) + " does not fit layer \"" +
                     std::string(tensor.layer) + "\" with " + std::to_string(columns) +
                     " input features\nuse ";
  const std::int64_t best = largest_divisor(columns, group_size);
  const std::int64_t next = best > 2 ? largest_divisor(columns, best - 1) : 0;
  if (best != 0) text += "\"group_size\": " + std::to_string(best);
  if (next != 0) text += " or " + std::to_string(next);
  return text + (best != 0 ? ", or " : "") + "\"tail\": \"short\"";
}

}  // namespace detent::quantizers
