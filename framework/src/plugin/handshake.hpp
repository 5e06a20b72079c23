// SPDX-License-Identifier: Apache-2.0
// shake_hands: from the entry function of a library to its description, when both speak one ABI.
#pragma once
#include <detent/abi.h>

namespace detent {

// Errors  Error{plugin} with one reason, naming both versions where they differ
const detent_library* shake_hands(detent_entry_fn entry);

}  // namespace detent
