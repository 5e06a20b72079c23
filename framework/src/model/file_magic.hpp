// SPDX-License-Identifier: Apache-2.0
// looks_like: what a file is that is not what its name says.
#pragma once
#include <string_view>

namespace detent {

// "a zip archive, as PyTorch's .pt and .bin files are"; empty when the first bytes tell nothing.
std::string_view looks_like(std::string_view first_bytes);

}  // namespace detent
