// SPDX-License-Identifier: Apache-2.0
// Registry: every plugin of the search path, and what is wrong with the files that are none.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugin/isolation_limits.hpp"
#include "plugin/plugin_cache.hpp"
#include "plugin/plugin_file.hpp"
#include "plugin/search_path.hpp"

namespace detent {

class IsolatedPlugins;

// Which libraries outside the installation may run code. pinned: those whose hash is a pin's.
enum class PluginTrust { any, pinned };
// Where a library outside the installation is loaded to be listed, when no cache knows it:
// elsewhere is a process of its own, where there is a worker; its code is loaded here only to be
// used here.
enum class PluginListing { here, elsewhere };

struct PluginProblem {
  std::filesystem::path path;
  std::string reason;
  // Ids and aliases that cannot be used for this reason, as far as they are known: a file that was
  // refused before it was loaded has none.
  std::vector<std::string> names = {};
};

class Registry {
 public:
  Registry();  // of no plugins
  // Lists the plugins of every *.detent.so of the folders, in order; the first of two equal (kind,
  // id) in different folders wins and the other is listed as shadowed; two in one folder are a
  // problem of both, and neither can be used, nor can one of that id in a later folder. Never
  // throws for a bad file: it becomes a problem.
  //
  // pins: id or alias -> sha256 in hexadecimal, with or without "sha256:". A file with another hash
  // that gives one of its plugins a pinned name is never used. It is refused before any of its code
  // runs when that can be told without running it: when it is called <name>.detent.so, or when the
  // name has a dot and stands in the file as a text of its own. A file that hides the name from
  // both is loaded, which may run its constructors, and refused once its descriptors are read;
  // PluginTrust::pinned loads no such file. With pins every file is hashed, and what is pinned runs
  // from a sealed copy in memory of the bytes that were hashed.
  //
  // cache: a library that was loaded before and has not changed since is listed from it and loaded
  // when a plugin of it is first used (see Plugin::code); all others are loaded now. Refusals are
  // not kept: what they come from may lie outside of the file.
  //
  // Outside the installation a folder that everybody can write to, or one of those above it can be
  // exchanged, is a problem and none of its files is loaded; neither is such a file.
  static Registry scan(const std::vector<SearchFolder>& folders,
                       const std::vector<std::pair<std::string, std::string>>& pins = {},
                       const PluginCacheFile& cache = {}, PluginTrust trust = PluginTrust::any,
                       PluginListing listing = PluginListing::here);

  const std::vector<Plugin>& plugins() const { return plugins_; }
  const std::vector<PluginProblem>& problems() const { return problems_; }

  // By id, then by alias, both normalised; of two with one alias the first in the search path, none
  // when they are in one folder. nullptr when there is none.
  const Plugin* find(PluginKind kind, std::string_view name) const;

  // As find, but explains: Error{config} "unknown observer ..." with the nearest name and the
  // installed ids; Error{plugin} when the name was there but its library was refused or ambiguous.
  const Plugin& get(PluginKind kind, std::string_view name) const;

  // "auto": the observer whose `provides` has "auto:KEY" for a KEY among the given parameters, else
  // the one with "auto:". Error{config} when parameters of two observers are given.
  const Plugin& choose_observer(const json::Object& params) const;

  // The same plugin, of which no code runs in this process. Lives as long as the registry.
  const Plugin& isolated(const Plugin& plugin, const IsolationLimits& limits) const;

  // What the plugins log and the memory they keep, while the registry or an instance lives.
  HostServices& services() const { return *around_.services; }
  const PluginWork& work() const { return *around_.work; }

 private:
  std::vector<const Plugin*> candidates(PluginKind kind, std::string_view name) const;
  [[noreturn]] void throw_not_found(PluginKind kind, std::string_view name) const;

  PluginSurroundings around_;
  std::shared_ptr<IsolatedPlugins> isolated_;
  std::vector<Plugin> plugins_;
  std::vector<PluginProblem> problems_;
};

}  // namespace detent
