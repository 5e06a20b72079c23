// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf_check.hpp"
#include "plugin/fp_mode.hpp"
#include "plugin/pins.hpp"
#include "plugin/registry.hpp"
#include "plugin/sha256.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_of(const std::vector<Plugin>& plugins) {
  std::vector<std::string> names;
  for (const Plugin& plugin : plugins) {
    names.push_back(plugin.id);
    names.insert(names.end(), plugin.aliases.begin(), plugin.aliases.end());
  }
  return names;
}

bool is_same(const Plugin& a, const Plugin& b) {
  return a.kind == b.kind && normalise_name(a.id) == normalise_name(b.id);
}

// Folders in order, files by name; everything found ends in one of the two lists.
class Scanner {
 public:
  Scanner(const Pins& pins, std::shared_ptr<HostServices> services, std::vector<Plugin>& plugins,
          std::vector<PluginProblem>& problems)
      : pins_(pins), services_(std::move(services)), plugins_(plugins), problems_(problems) {}

  void scan(const SearchFolder& folder) {
    std::vector<Plugin> found;
    for (const fs::path& path : files_of(folder)) {
      for (Plugin& plugin : load(path)) {
        plugin.origin = folder.origin;
        plugin.builtin = folder.builtin;
        found.push_back(std::move(plugin));
      }
    }
    add(std::move(found));
  }

 private:
  std::vector<fs::path> files_of(const SearchFolder& folder) {
    std::error_code ec;
    const fs::file_status status = fs::status(folder.path, ec);
    if (!fs::exists(status)) {
      // The others exist only where somebody made them; these two were asked for by name.
      const bool asked_for = folder.origin == "configuration" || folder.origin == "--plugin-path";
      if (asked_for) add_problem(folder.path, "the folder does not exist");
      return {};
    }
    std::vector<fs::path> files;
    fs::directory_iterator it(folder.path, ec);
    for (; !ec && it != fs::directory_iterator(); it.increment(ec)) {
      if (it->path().filename().string().ends_with(".detent.so")) files.push_back(it->path());
    }
    if (ec) add_problem(folder.path, fmt::format("the folder cannot be read: {}", ec.message()));
    std::sort(files.begin(), files.end());
    return files;
  }

  // Empty when the file was refused.
  std::vector<Plugin> load(const fs::path& path) {
    try {
      return load_checked(path);
    } catch (const Error& e) {
      add_problem(path, e.problems()[0].message);
    } catch (const std::exception& e) {
      add_problem(path, printable(e.what()));
    }
    return {};
  }

  std::vector<Plugin> load_checked(const fs::path& path) {
    const File file = File::open_to_read(path);
    const File::Stamp before = file.stamp();
    const std::string hash = sha256_of(file);
    refuse_if(pins_.refusal_before_loading(file, hash));
    check_elf(file);
    std::vector<Plugin> plugins = load_guarded(path);
    if (File::open_to_read(path).stamp() != before) {
      refuse_if("was changed by somebody while it was being loaded");
    }
    const std::string pinned = pins_.refusal_after_loading(plugins, hash);
    if (!pinned.empty()) {
      problems_.push_back({path, pinned, names_of(plugins)});
      return {};
    }
    for (Plugin& plugin : plugins) plugin.sha256 = hash;
    return plugins;
  }

  std::vector<Plugin> load_guarded(const fs::path& path) {
    const FpMode mode;
    std::vector<Plugin> plugins;
    try {
      plugins = read_descriptors(Library::load(path, services_));
    } catch (...) {
      mode.restore();
      throw;
    }
    if (!mode.restore()) {
      problems_.push_back(
          {path, "changes the floating-point mode of the process when loaded", names_of(plugins)});
      return {};
    }
    return plugins;
  }

  static void refuse_if(const std::string& reason) {
    if (!reason.empty()) throw Error(ErrorCode::plugin, reason);
  }

  // Of one folder, after those before it.
  void add(std::vector<Plugin> found) {
    std::vector<Plugin> kept;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Plugin* twin = twin_of(found, i);
      if (twin == nullptr) {
        kept.push_back(found[i]);
        continue;
      }
      add_problem(found[i].path,
                  fmt::format("{} \"{}\" is in {} too: neither is used", to_string(found[i].kind),
                              found[i].id, twin->path.filename().string()),
                  {found[i].id});
      ambiguous_.push_back(found[i]);
    }
    for (Plugin& plugin : kept) {
      plugin.shadowed_by = shadow_of(plugin);
      plugins_.push_back(std::move(plugin));
    }
  }

  static const Plugin* twin_of(const std::vector<Plugin>& found, std::size_t i) {
    for (std::size_t k = 0; k < found.size(); ++k) {
      if (k != i && is_same(found[i], found[k])) return &found[k];
    }
    return nullptr;
  }

  std::string shadow_of(const Plugin& plugin) const {
    const auto shadows = [&](const Plugin& p) {
      return is_same(p, plugin) && p.shadowed_by.empty() &&
             p.path.parent_path() != plugin.path.parent_path();
    };
    const auto first = std::find_if(plugins_.begin(), plugins_.end(), shadows);
    if (first != plugins_.end()) return first->path.string();
    const auto pair = std::find_if(ambiguous_.begin(), ambiguous_.end(), shadows);
    return pair != ambiguous_.end() ? pair->path.string() : "";
  }

  void add_problem(const fs::path& path, std::string reason, std::vector<std::string> names = {}) {
    problems_.push_back({path, std::move(reason), std::move(names)});
  }

  const Pins& pins_;
  std::shared_ptr<HostServices> services_;
  std::vector<Plugin>& plugins_;
  std::vector<PluginProblem>& problems_;
  std::vector<Plugin> ambiguous_;
};

// Each folder once, at its first place; the installation's is built in wherever it was named.
std::vector<SearchFolder> without_repeats(const std::vector<SearchFolder>& folders) {
  std::vector<SearchFolder> out;
  std::vector<fs::path> seen;
  for (const SearchFolder& folder : folders) {
    std::error_code ec;
    fs::path real = fs::weakly_canonical(folder.path, ec);
    if (ec) real = folder.path;
    const auto it = std::find(seen.begin(), seen.end(), real);
    if (it != seen.end()) {
      SearchFolder& first = out[static_cast<std::size_t>(std::distance(seen.begin(), it))];
      first.builtin = first.builtin || folder.builtin;
      continue;
    }
    seen.push_back(std::move(real));
    out.push_back(folder);
  }
  return out;
}

}  // namespace

Registry Registry::scan(const std::vector<SearchFolder>& folders,
                        const std::vector<std::pair<std::string, std::string>>& pins) {
  Registry registry;
  const Pins checked(pins);
  Scanner scanner(checked, registry.services_, registry.plugins_, registry.problems_);
  for (const SearchFolder& folder : without_repeats(folders)) scanner.scan(folder);
  return registry;
}

}  // namespace detent
