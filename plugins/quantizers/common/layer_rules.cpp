// SPDX-License-Identifier: Apache-2.0
#include "common/layer_rules.hpp"

namespace detent::quantizers {
namespace {

bool begins_or_ends_with(std::string_view text, std::string_view word) {
  return text.starts_with(word) || text.ends_with(word);
}

}  // namespace

bool is_weight_name(std::string_view param) { return begins_or_ends_with(param, "weight"); }

bool is_normalization(std::string_view layer_type) {
  return layer_type.find("Norm") != std::string_view::npos;
}

std::string why_not_quantizable(const sdk::TensorInfo& tensor) {
  if (!sdk::is_floating_point(tensor.dtype)) return "not a floating-point tensor";
  if (begins_or_ends_with(tensor.param, "bias")) return "bias stays in floating point";
  if (!is_weight_name(tensor.param))
    return "parameter \"" + std::string(tensor.param) + "\" is not a weight";
  if (is_normalization(tensor.layer_type)) return "normalization layer";
  if (tensor.shape.size() < 2) return "one-dimensional parameter";
  if (tensor.numel() == 0) return "no elements";
  return {};
}

void require_weight_role(const sdk::Config& config, const char* quantizer) {
  if (config.role != DETENT_ROLE_ACTIVATION) return;
  throw sdk::Error(DETENT_E_PARAMS, std::string(quantizer) +
                                        " quantizes weights, not activations\n"
                                        "name an 8-bit quantizer under \"activation\"");
}

}  // namespace detent::quantizers
