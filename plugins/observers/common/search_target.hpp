// SPDX-License-Identifier: Apache-2.0
// read_search_target: what a search for a range has to know of a quantization target.
#pragma once
#include "qparams.hpp"
#include <detent/kernels/range_search.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Errors  INVALID_ARG (no target, or codes that no affine mapping has), UNSUPPORTED (unknown rules)
inline kernels::SearchTarget read_search_target(const detent_qspec* target) {
  if (target == nullptr)
    throw sdk::Error(DETENT_E_INVALID_ARG, "a search for a range needs the target's codes");
  return {read_codes(*target),
          target->symmetric != 0 ? kernels::Mapping::symmetric : kernels::Mapping::asymmetric,
          read_rule(*target)};
}

}  // namespace detent
