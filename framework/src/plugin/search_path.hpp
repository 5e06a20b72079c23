// SPDX-License-Identifier: Apache-2.0
// Where plugins are looked for.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace detent {

struct SearchFolder {
  std::filesystem::path path;
  std::string
      origin;  // "configuration", "--plugin-path", "DETENT_PLUGIN_PATH", "user", "installation"
  bool builtin = false;  // the installation's
};

// In the order of precedence: the configuration's folders, --plugin-path, DETENT_PLUGIN_PATH (not
// when the process runs with raised privileges), $XDG_DATA_HOME/detent/plugins (or
// ~/.local/share/...), and the folder lib/detent/plugins of the installation (see
// base/installation.hpp). Folders that do not exist are listed too: a scan skips them, but says so
// for the first two origins.
std::vector<SearchFolder> plugin_search_path(
    const std::vector<std::filesystem::path>& configured,
    const std::vector<std::filesystem::path>& command_line);

}  // namespace detent
