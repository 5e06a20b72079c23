// SPDX-License-Identifier: Apache-2.0
// load_plugin_file: from a file that may be anything to checked plugins, with the proof of which
// bytes they came from.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "plugin/host.hpp"
#include "plugin/plugin.hpp"

namespace detent {

// What the use of plugins cost, counted: files.
struct PluginWork {
  std::atomic<std::uint64_t> hashed{0};
  std::atomic<std::uint64_t> loaded{0};
  std::atomic<std::uint64_t> from_cache{0};  // listed without being loaded
};

class Pins;

struct PluginSurroundings {  // what the files of one registry share
  std::shared_ptr<const Pins> pins;
  std::shared_ptr<HostServices> services = std::make_shared<HostServices>();
  std::shared_ptr<PluginWork> work = std::make_shared<PluginWork>();
};

struct PluginFile {
  File::Identity identity;
  std::string sha256;
  std::vector<Plugin> plugins;
  // Why they must not be used, when that was seen only after they were loaded; or empty.
  std::string refusal;
};

// In place a debugger finds it, and a file that is written to at the wrong moment is noticed after
// the fact. Sealed, what was hashed is what runs (see sealed_copy.hpp).
enum class LoadFrom { file, sealed_copy };

// Throws when no code of a file with this identity and hash may run.
using PluginFileCheck =
    std::function<LoadFrom(const File&, const File::Identity&, std::string_view sha256)>;

// Errors  Error{plugin} with one reason that does not name the path, Error{io}; whatever check
// throws
PluginFile load_plugin_file(const std::filesystem::path& path, const PluginSurroundings& around,
                            const PluginFileCheck& check);

}  // namespace detent
