// SPDX-License-Identifier: Apache-2.0
// NonFinite: the parameter "non_finite", and the refusal that it can ask for.
#pragma once
#include <cstdint>
#include <string>

#include <detent/sdk.hpp>

namespace detent {

enum class NonFinite { ignore, error };

inline NonFinite read_non_finite(const sdk::Params& params) {
  return params.get("/non_finite", "ignore") == "error" ? NonFinite::error : NonFinite::ignore;
}

// Of so many elements. Errors  NUMERIC: there are some, under "error"
inline sdk::Status check_non_finite(NonFinite wanted, std::uint64_t found, std::int64_t elements) {
  if (found == 0 || wanted == NonFinite::ignore) return {};
  return {DETENT_E_NUMERIC,
          std::to_string(found) + " of " + std::to_string(elements) +
              " values are NaN or infinite\nset \"non_finite\": \"ignore\" to leave them out"};
}

}  // namespace detent
