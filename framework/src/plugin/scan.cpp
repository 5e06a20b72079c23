// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <system_error>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "isolate/isolation.hpp"
#include "plugin/description_bytes.hpp"
#include "plugin/lazy_source.hpp"
#include "plugin/pins.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/registry.hpp"
#include "plugin/sha256.hpp"
#include "plugin/writable.hpp"

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

// Plugins of one such name are one plugin's several versions, or a mistake.
std::string name_of(const Plugin& plugin) {
  return to_string(plugin.kind) + (' ' + normalise_name(plugin.id));
}

// Folders in order, files by name; everything found ends in one of the two lists.
class Scanner {
 public:
  Scanner(PluginTrust trust, PluginListing listing, PluginCacheFile cache,
          PluginSurroundings around, std::vector<Plugin>& plugins,
          std::vector<PluginProblem>& problems)
      : trust_(trust),
        lists_elsewhere_(listing == PluginListing::elsewhere && can_isolate()),
        pins_(*around.pins),
        cache_file_(std::move(cache)),
        cache_(cache_file_),
        around_(std::move(around)),
        plugins_(plugins),
        problems_(problems) {}
  ~Scanner() { cache_.save(); }
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;

  void scan(const SearchFolder& folder) {
    std::vector<Plugin> found;
    for (const fs::path& path : files_of(folder)) {
      for (Plugin& plugin : load(path, folder.builtin)) {
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
    // Who may write to the installation may write to the program itself.
    const std::string open_to = folder.builtin || files.empty() ? "" : writable_by_all(folder.path);
    if (open_to.empty()) return files;
    add_problem(folder.path, open_to);
    return {};
  }

  // Empty when the file was refused.
  std::vector<Plugin> load(const fs::path& path, bool builtin) {
    try {
      if (!builtin) refuse_if(file_writable_by_all(path));
      only_pinned_ = trust_ == PluginTrust::pinned && !builtin;
      if (std::optional<std::vector<Plugin>> known = from_cache(path)) return std::move(*known);
      return lists_elsewhere_ && !builtin ? describe(path) : load_checked(path);
    } catch (const Error& e) {
      add_problem(path, e.problems()[0].message);
    } catch (const std::exception& e) {
      add_problem(path, printable(e.what()));
    }
    return {};
  }

  std::vector<Plugin> load_checked(const fs::path& path) {
    PluginFile file = load_plugin_file(
        path, around_, [&](const File& opened, const File::Identity&, std::string_view sha256) {
          refuse_if(before_loading(opened, sha256));
          return load_from(around_, sha256);
        });
    if (file.refusal.empty()) {
      file.refusal = pins_.refusal_after_loading(file.plugins, file.sha256);
      cache_.keep(path, {file.identity, file.sha256, description_bytes(file.plugins)});
    }
    return unless(file.refusal, path, std::move(file.plugins));
  }

  // By a process that loads it in its place: what its constructors do happens there.
  std::vector<Plugin> describe(const fs::path& path) {
    const File file = File::open_to_read(path);
    PluginCache::Entry entry{file.identity(), sha256_of(file), ""};
    ++around_.work->hashed;
    refuse_if(before_loading(file, entry.sha256));
    entry.description = describe_elsewhere(
        path, entry.sha256, load_from(around_, entry.sha256) == LoadFrom::sealed_copy);
    cache_.keep(path, entry);
    return listed(path, entry, plugins_of(entry.description));
  }

  // None when the library has to be loaded to know what is in it.
  std::optional<std::vector<Plugin>> from_cache(const fs::path& path) {
    const std::optional<File::Identity> identity = File::identity_of(path);
    const PluginCache::Entry* entry = identity ? cache_.find(path, *identity) : nullptr;
    if (entry == nullptr) return std::nullopt;
    const bool takes_hash = only_pinned_ || !pins_.empty();
    if (takes_hash && !has_hash(path, *entry)) return std::nullopt;
    std::vector<Plugin> plugins;
    try {
      plugins = plugins_of(entry->description);
    } catch (const std::exception&) {
      return std::nullopt;
    }
    ++around_.work->from_cache;
    return listed(path, *entry, std::move(plugins));
  }

  // As it is described, its code to be loaded when it is used.
  std::vector<Plugin> listed(const fs::path& path, const PluginCache::Entry& entry,
                             std::vector<Plugin> plugins) {
    const auto source = std::make_shared<LazySource>(path, entry, around_, cache_file_);
    for (Plugin& plugin : plugins) {
      plugin.path = path;
      plugin.sha256 = entry.sha256;
      plugin.source = source;
    }
    const std::string refusal = pins_.refusal_after_loading(plugins, entry.sha256);
    return unless(refusal, path, std::move(plugins));
  }

  // What is pinned is never taken on trust: the file is read, and the rules before loading apply.
  bool has_hash(const fs::path& path, const PluginCache::Entry& entry) {
    const File file = File::open_to_read(path);
    const std::string hash = sha256_of(file);
    ++around_.work->hashed;
    if (file.identity() != entry.identity || hash != entry.sha256) return false;
    refuse_if(before_loading(file, hash));
    return true;
  }

  std::string before_loading(const File& file, std::string_view sha256) const {
    if (only_pinned_ && !pins_.is_pinned_hash(sha256))
      return fmt::format("is not pinned, and only pinned plugins are trusted (sha256:{})", sha256);
    return pins_.refusal_before_loading(file, sha256);
  }

  std::vector<Plugin> unless(const std::string& refusal, const fs::path& path,
                             std::vector<Plugin> plugins) {
    if (refusal.empty()) return plugins;
    add_problem(path, refusal, names_of(plugins));
    return {};
  }

  static void refuse_if(const std::string& reason) {
    if (!reason.empty()) throw Error(ErrorCode::plugin, reason);
  }

  // Of one folder, after those before it. A name is claimed by who has it first, by twins too.
  void add(std::vector<Plugin> found) {
    std::unordered_map<std::string, std::vector<const Plugin*>> by_name;
    for (const Plugin& plugin : found) by_name[name_of(plugin)].push_back(&plugin);
    for (Plugin& plugin : found) {
      const std::string name = name_of(plugin);
      const std::string path = plugin.path.string();
      const std::vector<const Plugin*>& same = by_name.at(name);
      if (same.size() > 1) {
        add_twin(plugin, *same[same[0] == &plugin ? 1 : 0]);
        claimed_.try_emplace(name, path);
        continue;
      }
      const auto [claim, is_first] = claimed_.try_emplace(name, path);
      if (!is_first) plugin.shadowed_by = claim->second;
      plugins_.push_back(std::move(plugin));
    }
  }

  void add_twin(const Plugin& plugin, const Plugin& twin) {
    add_problem(plugin.path,
                fmt::format("{} \"{}\" is in {} too: neither is used", to_string(plugin.kind),
                            plugin.id, twin.path.filename().string()),
                {plugin.id});
  }

  void add_problem(const fs::path& path, std::string reason, std::vector<std::string> names = {}) {
    problems_.push_back({path, std::move(reason), std::move(names)});
  }

  PluginTrust trust_;
  bool lists_elsewhere_;
  bool only_pinned_ = false;  // of the file that is being looked at
  const Pins& pins_;
  PluginCacheFile cache_file_;
  PluginCache cache_;
  PluginSurroundings around_;
  std::vector<Plugin>& plugins_;
  std::vector<PluginProblem>& problems_;
  std::unordered_map<std::string, std::string> claimed_;  // name_of -> path
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
                        const std::vector<std::pair<std::string, std::string>>& pins,
                        const PluginCacheFile& cache, PluginTrust trust, PluginListing listing) {
  Registry registry;
  registry.around_.pins = std::make_shared<const Pins>(pins);
  registry.isolated_ = std::make_shared<IsolatedPlugins>(registry.around_);
  Scanner scanner(trust, listing, cache, registry.around_, registry.plugins_, registry.problems_);
  for (const SearchFolder& folder : without_repeats(folders)) scanner.scan(folder);
  return registry;
}

}  // namespace detent
