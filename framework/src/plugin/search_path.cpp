// SPDX-License-Identifier: Apache-2.0
#include "plugin/search_path.hpp"

#include <string_view>
#include <system_error>

#include "base/environment.hpp"
#include "base/installation.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

// A name without a folder would be searched for in the system's library folders.
fs::path full_path(const fs::path& path) {
  std::error_code ec;
  const fs::path full = fs::absolute(path, ec);
  return (ec ? path : full).lexically_normal();
}

void add_environment(std::vector<SearchFolder>& out) {
  std::string_view rest = trusted_environment("DETENT_PLUGIN_PATH");
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const std::string_view one = rest.substr(0, end);
    if (!one.empty()) out.push_back({full_path(one), "DETENT_PLUGIN_PATH", false});
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
}

void add_user(std::vector<SearchFolder>& out) {
  const fs::path data = user_folder("XDG_DATA_HOME", ".local/share");
  if (!data.empty()) out.push_back({data / "detent/plugins", "user", false});
}

void add_installation(std::vector<SearchFolder>& out) {
  for (const fs::path& prefix : installation_prefixes()) {
    // DETENT_LIBDIR: where CMake installs libraries, "lib64" or "lib/x86_64-linux-gnu".
    const fs::path installed = prefix / DETENT_LIBDIR / "detent/plugins";
    const fs::path usual = prefix / "lib/detent/plugins";
    out.push_back({installed.lexically_normal(), "installation", true});
    if (usual != installed) out.push_back({usual.lexically_normal(), "installation", true});
  }
}

}  // namespace

std::vector<SearchFolder> plugin_search_path(const std::vector<fs::path>& configured,
                                             const std::vector<fs::path>& command_line) {
  std::vector<SearchFolder> out;
  for (const fs::path& path : configured) out.push_back({full_path(path), "configuration", false});
  for (const fs::path& path : command_line)
    out.push_back({full_path(path), "--plugin-path", false});
  add_environment(out);
  add_user(out);
  add_installation(out);
  return out;
}

}  // namespace detent
