// SPDX-License-Identifier: Apache-2.0
// read_elf_symbols: what a shared library exports and which versions of system libraries it needs.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace detent::conformance {

struct ElfSymbols {
  std::vector<std::string> exported;  // defined, global or weak
  std::vector<std::string> unique;    // STB_GNU_UNIQUE
  std::vector<std::string> needed;    // versions: "GLIBC_2.34", "GLIBCXX_3.4.30"
  bool never_unloaded = false;        // -z nodelete
  bool executable_stack = false;
};

// The file passed check_elf.
//
// Errors  Error{plugin} for tables that lead out of the file; Error{io}
ElfSymbols read_elf_symbols(const std::filesystem::path& path);

}  // namespace detent::conformance
