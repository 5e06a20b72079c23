// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace detent {

// The largest resident size of this process so far; 0 where the system does not tell.
std::uint64_t peak_memory_bytes();

}  // namespace detent
