// SPDX-License-Identifier: Apache-2.0
// sealed_copy: the bytes of a library in memory that nobody can change any more, so that what was
// hashed is what runs, whatever happens to the file between the two.
#pragma once
#include <filesystem>
#include <string>

#include "base/file.hpp"

namespace detent {

// A path that leads to those bytes as long as this process lives. One copy is made of one content:
// asked again for the same hash it returns the first one, which is not loaded twice then.
//
// Errors  Error{plugin} when the file has not the hash (any more), or when it asks for libraries of
//         its own folder: they would not be found from memory, and no hash covers them; Error{io}
std::filesystem::path sealed_copy(const File& file, const std::string& sha256);

}  // namespace detent
