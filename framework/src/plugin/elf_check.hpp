// SPDX-License-Identifier: Apache-2.0
// check_elf: can this machine load this file, as far as its headers tell? Runs none of its code.
#pragma once
#include "base/file.hpp"

namespace detent {

// Errors  Error{plugin} with one reason: not an ELF file, not a shared library, for another
//         architecture, truncated; Error{io} when it cannot be read
void check_elf(const File& file);

// Of a file that check_elf let pass: does it need no libraries from its own folder ($ORIGIN)?
//
// Errors  Error{plugin} naming the path it looks in
void check_stands_alone(const File& file);

}  // namespace detent
