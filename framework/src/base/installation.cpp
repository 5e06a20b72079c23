// SPDX-License-Identifier: Apache-2.0
#include "base/installation.hpp"

#include <dlfcn.h>
#include <link.h>
#include <system_error>

namespace detent {
namespace {

namespace fs = std::filesystem;

// Of the shared library with this code; "" when that is the program itself.
fs::path own_library() {
  static const char kHere = 0;
  Dl_info info = {};
  void* map = nullptr;
  if (::dladdr1(&kHere, &info, &map, RTLD_DL_LINKMAP) == 0 || map == nullptr) return {};
  const char* name = static_cast<const link_map*>(map)->l_name;  // "" for the program
  if (name == nullptr || *name == '\0') return {};
  std::error_code ec;
  const fs::path path = fs::canonical(name, ec);
  return ec ? fs::path() : path;
}

// "/opt/detent" of "/opt/detent/lib/x86_64-linux-gnu", which may be deeper than one folder.
fs::path without_libdir(fs::path folder) {
  const fs::path libdir = DETENT_LIBDIR;
  fs::path prefix = folder;
  for (auto part = libdir.end(); part != libdir.begin();) {
    --part;
    if (prefix.filename() != *part) return folder.parent_path();
    prefix = prefix.parent_path();
  }
  return prefix;
}

}  // namespace

std::vector<fs::path> installation_prefixes() {
  std::vector<fs::path> prefixes;
  if (const fs::path library = own_library(); !library.empty())
    prefixes.push_back(without_libdir(library.parent_path()));
  std::error_code ec;
  const fs::path program = fs::read_symlink("/proc/self/exe", ec);
  if (!ec) prefixes.push_back(program.parent_path().parent_path());
  return prefixes;
}

}  // namespace detent
