// SPDX-License-Identifier: Apache-2.0
// SHA-256 of files: what pins and the run record identify a plugin by.
#pragma once
#include <string>

#include "base/file.hpp"

namespace detent {

// 64 lower-case hexadecimal digits of the file's bytes.
//
// Errors  Error{io} when the file cannot be read to its end
std::string sha256_of(const File& file);

}  // namespace detent
