// SPDX-License-Identifier: Apache-2.0
// shake_hands: from the entry function of a library to its description, when both speak one ABI.
#pragma once
#include <cstdint>
#include <detent/abi.h>

namespace detent {

// host_minor: what the plugin is told that this host has.
//
// Errors  Error{plugin} with one reason, naming both versions where they differ
const detent_library* shake_hands(detent_entry_fn entry,
                                  std::uint32_t host_minor = DETENT_ABI_MINOR);

}  // namespace detent
