// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace detent {

// DETENT_VERSION comes from the project's version in CMake.
inline constexpr const char* kVersion = DETENT_VERSION;

}  // namespace detent
