// SPDX-License-Identifier: Apache-2.0
// read_clip_rules: the parameters of a clip search.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>

#include "clip_ranges.hpp"
#include <detent/sdk.hpp>

namespace detent {

// The host has checked the parameters; memory and loops depend on them, so they are checked again.
//
// Errors  PARAMS
inline ClipRules read_clip_rules(const sdk::Params& params, const ClipRules& defaults) {
  const auto refuse = [](const std::string& what) { throw sdk::Error(DETENT_E_PARAMS, what); };
  ClipRules rules;
  rules.norm = params.get("/norm", defaults.norm);
  if (!(rules.norm > 0 && rules.norm <= 8)) refuse("norm must be above 0 and at most 8");
  rules.grid.grid = params.get("/grid", defaults.grid.grid);
  if (rules.grid.grid < 1 || rules.grid.grid > 10000) refuse("grid must be 1 to 10000");
  rules.grid.maxshrink = params.get("/maxshrink", defaults.grid.maxshrink);
  if (!(rules.grid.maxshrink >= 0 && rules.grid.maxshrink <= 1)) refuse("maxshrink must be 0 to 1");
  rules.grid.patience = params.get("/patience", defaults.grid.patience);
  if (rules.grid.patience < 0) refuse("patience must not be negative");
  rules.grid.separate_ends = params.get("/separate_ends", defaults.grid.separate_ends);
  return rules;
}

}  // namespace detent
