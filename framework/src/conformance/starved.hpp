// SPDX-License-Identifier: Apache-2.0
// is_starved: did a call fail because the host gave no memory, or cancelled?
#pragma once
#include <cstdint>
#include <detent/abi/base.h>

namespace detent::conformance {

constexpr bool is_starved(std::int32_t status) {
  return status == DETENT_E_NO_MEMORY || status == DETENT_E_CANCELLED;
}

}  // namespace detent::conformance
