// SPDX-License-Identifier: Apache-2.0
#include "plugin/writable.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>

namespace detent {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode : 0;
}

bool open_to_all(mode_t mode) { return (mode & S_IWOTH) != 0; }

// A link is as safe as where it leads to and where it lies.
fs::path real(const fs::path& path) {
  std::error_code ec;
  fs::path found = fs::canonical(path, ec);
  return ec ? path : found;
}

std::string open_ancestor(const fs::path& folder) {
  for (fs::path at = folder.parent_path(); at != at.parent_path(); at = at.parent_path()) {
    const mode_t mode = mode_of(at);
    if (open_to_all(mode) && (mode & S_ISVTX) == 0) return at.string();
  }
  return {};
}

std::string refusal_of(const fs::path& folder) {
  if (open_to_all(mode_of(folder)))
    return "everybody can write to this folder, so its plugins are not loaded: chmod o-w";
  const std::string above = open_ancestor(folder);
  if (above.empty()) return {};
  return fmt::format(
      "everybody can write to {} above this folder, so its plugins are not loaded: chmod o-w",
      above);
}

}  // namespace

std::string writable_by_all(const fs::path& folder) {
  std::string why = refusal_of(folder);
  return why.empty() ? refusal_of(real(folder)) : why;
}

std::string file_writable_by_all(const fs::path& file) {
  if (open_to_all(mode_of(file)))
    return "everybody can write to this file, so it is not loaded: chmod o-w";
  std::error_code ec;
  if (!fs::is_symlink(file, ec)) return {};
  const std::string why = writable_by_all(real(file).parent_path());
  return why.empty() ? "" : "leads elsewhere: " + why;
}

}  // namespace detent
