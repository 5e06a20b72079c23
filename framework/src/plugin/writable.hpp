// SPDX-License-Identifier: Apache-2.0
// Who besides its owner could put another plugin in this place?
#pragma once
#include <filesystem>
#include <string>

namespace detent {

// Why plugins of this folder are not trusted: everybody can write to it, or can put another in
// place of it or of a folder above it. Empty when they are. A sticky folder above (/tmp) is
// harmless: there only owners rename.
std::string writable_by_all(const std::filesystem::path& folder);

// The same of a file, through whatever links lead to it.
std::string file_writable_by_all(const std::filesystem::path& file);

}  // namespace detent
