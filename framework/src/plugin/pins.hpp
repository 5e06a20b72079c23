// SPDX-License-Identifier: Apache-2.0
// Pins: which files may provide a name, by the SHA-256 of the file.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "plugin/plugin.hpp"
#include "plugin/plugin_file.hpp"

namespace detent {

class Pins {
 public:
  explicit Pins(const std::vector<std::pair<std::string, std::string>>& pins);

  bool empty() const { return pins_.empty(); }
  bool is_pinned_hash(std::string_view sha256) const;
  // Why a file with this hash must not be loaded; empty when it may. See Registry::scan for the
  // rule.
  std::string refusal_before_loading(const File& file, std::string_view sha256) const;
  // Why its plugins must not be used, now that they are known; empty when they may.
  std::string refusal_after_loading(const std::vector<Plugin>& plugins,
                                    std::string_view sha256) const;

 private:
  struct Pin {
    std::string name;    // as configured
    std::string sha256;  // lower case, without "sha256:"
  };
  std::vector<Pin> pins_;
};

// What is pinned runs from sealed memory.
LoadFrom load_from(const PluginSurroundings& around, std::string_view sha256);

// The name of a plugin file without its folder and ".detent.so".
std::string plugin_stem(const std::filesystem::path& path);
// Lower case, without '_', '-' and '.': how a stem is compared with an id.
std::string squeeze_name(std::string_view name);

}  // namespace detent
