// SPDX-License-Identifier: Apache-2.0
// The names of a target's DETENT_AFFINE_ flags, as files, states and command lines have them.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "json/value.hpp"

namespace detent {

// "half_range", "round_lo_first", "float32", "floor_zero_only": in this order, those that are set.
json::Array affine_rule_names(std::uint64_t rules);

// Nothing for an unknown name.
std::optional<std::uint64_t> affine_rule_from_name(std::string_view name);

// 0 (none), or a finite number of at least the smallest normal float32, as scales have to be.
bool is_valid_min_scale(double min_scale) noexcept;

}  // namespace detent
