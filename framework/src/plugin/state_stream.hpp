// SPDX-License-Identifier: Apache-2.0
// The streams of save_state and load_state over bytes in memory.
#pragma once
#include <detent/abi.h>
#include <string>
#include <string_view>

namespace detent {

// Appends to `bytes`, which outlives it.
detent_ostream state_writer(std::string& bytes);
// Takes from the front of `rest`, which outlives it.
detent_istream state_reader(std::string_view& rest);

}  // namespace detent
