// SPDX-License-Identifier: Apache-2.0
#include "plugin/affine_rules.hpp"

#include <detent/abi.h>
#include <limits>
#include <string>

namespace detent {
namespace {

struct Named {
  const char* name;
  std::uint64_t flag;
};
constexpr Named kRules[] = {{"half_range", DETENT_AFFINE_HALF_RANGE},
                            {"round_lo_first", DETENT_AFFINE_ROUND_LO_FIRST},
                            {"float32", DETENT_AFFINE_FLOAT32},
                            {"floor_zero_only", DETENT_AFFINE_FLOOR_ZERO_ONLY}};

}  // namespace

json::Array affine_rule_names(std::uint64_t rules) {
  json::Array names;
  for (const Named& rule : kRules)
    if ((rules & rule.flag) != 0) names.push_back(std::string(rule.name));
  return names;
}

std::optional<std::uint64_t> affine_rule_from_name(std::string_view name) {
  for (const Named& rule : kRules)
    if (name == rule.name) return rule.flag;
  return std::nullopt;
}

bool is_valid_min_scale(double min_scale) noexcept {
  using Float = std::numeric_limits<float>;
  return min_scale == 0 || (min_scale >= Float::min() && min_scale <= Float::max());
}

}  // namespace detent
