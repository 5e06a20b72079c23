// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "isolate/isolation.hpp"
#include "plugin/pins.hpp"

namespace detent {
namespace {

bool has_alias(const Plugin& plugin, const std::string& wanted) {
  return std::any_of(plugin.aliases.begin(), plugin.aliases.end(),
                     [&](const std::string& alias) { return normalise_name(alias) == wanted; });
}

// "acme_int3.detent.so" and "int3.detent.so" may have been meant to hold "acme.int3".
bool may_hold(const PluginProblem& problem, std::string_view name) {
  const auto is_name = [&](const std::string& n) {
    return normalise_name(n) == normalise_name(name);
  };
  if (std::any_of(problem.names.begin(), problem.names.end(), is_name)) return true;
  if (!problem.names.empty()) return false;
  const std::string stem = squeeze_name(plugin_stem(problem.path));
  const std::string last = squeeze_name(name.substr(name.rfind('.') + 1));
  return !stem.empty() && (stem == squeeze_name(name) || stem == last);
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

Registry::Registry() : isolated_(std::make_shared<IsolatedPlugins>(around_)) {}

// The best matches: one plugin, or several of one folder that share an alias, or none.
std::vector<const Plugin*> Registry::candidates(PluginKind kind, std::string_view name) const {
  const std::string wanted = normalise_name(name);
  std::vector<const Plugin*> by_alias;
  for (const Plugin& plugin : plugins_) {
    if (plugin.kind != kind || !plugin.shadowed_by.empty()) continue;
    if (normalise_name(plugin.id) == wanted) return {&plugin};
    if (!has_alias(plugin, wanted)) continue;
    const bool later_folder =
        !by_alias.empty() && by_alias[0]->path.parent_path() != plugin.path.parent_path();
    if (!later_folder) by_alias.push_back(&plugin);
  }
  return by_alias;
}

const Plugin* Registry::find(PluginKind kind, std::string_view name) const {
  const std::vector<const Plugin*> found = candidates(kind, name);
  return found.size() == 1 ? found[0] : nullptr;
}

const Plugin& Registry::get(PluginKind kind, std::string_view name) const {
  const std::vector<const Plugin*> found = candidates(kind, name);
  if (found.size() == 1) return *found[0];
  if (found.empty()) throw_not_found(kind, name);
  throw Error(ErrorCode::plugin,
              fmt::format("\"{}\" is an alias of two {}s, \"{}\" and \"{}\"", printable(name),
                          to_string(kind), found[0]->id, found[1]->id),
              "name one of them by its id");
}

void Registry::throw_not_found(PluginKind kind, std::string_view name) const {
  Where where;
  where.plugin = std::string(name);
  for (const PluginProblem& problem : problems_) {
    if (!may_hold(problem, name)) continue;
    throw Error(ErrorCode::plugin, unusable_plugin(kind, name, problem.path, problem.reason),
                "`detent plugins list` shows what was found and what was refused", where);
  }
  std::vector<std::string> ids;
  std::vector<std::string> names;
  for (const Plugin& plugin : plugins_) {
    if (plugin.kind != kind || !plugin.shadowed_by.empty()) continue;
    ids.push_back(plugin.id);
    names.push_back(plugin.id);
    names.insert(names.end(), plugin.aliases.begin(), plugin.aliases.end());
  }
  std::sort(ids.begin(), ids.end());
  const std::string nearest = nearest_name(name, names);
  std::string hint = nearest.empty() ? "" : fmt::format("did you mean \"{}\"? ", nearest);
  hint += ids.empty() ? fmt::format("no {}s are installed", to_string(kind))
                      : fmt::format("installed {}s: {}", to_string(kind), join(ids));
  if (!problems_.empty()) hint += "; `detent plugins list` shows what was refused";
  throw Error(ErrorCode::config, fmt::format("unknown {} \"{}\"", to_string(kind), printable(name)),
              std::move(hint), where);
}

const Plugin& Registry::choose_observer(const json::Object& params) const {
  const Plugin* chosen = nullptr;
  const Plugin* usual = nullptr;
  std::string chosen_by;
  for (const Plugin& plugin : plugins_) {
    if (plugin.kind != PluginKind::observer || !plugin.shadowed_by.empty()) continue;
    if (usual == nullptr && lists(plugin.provides, "auto:")) usual = &plugin;
    for (const json::Member& param : params) {
      if (!lists(plugin.provides, "auto:" + param.key)) continue;
      if (chosen != nullptr && chosen != &plugin && chosen_by != param.key) {
        throw Error(ErrorCode::config,
                    fmt::format("\"auto\" cannot choose: \"{}\" is for the observer \"{}\", "
                                "\"{}\" for \"{}\"",
                                chosen_by, chosen->id, param.key, plugin.id),
                    "give one of them, or name the observer");
      }
      if (chosen != nullptr) continue;  // two observers for one key: the first of the search path
      chosen = &plugin;
      chosen_by = param.key;
    }
  }
  if (chosen == nullptr) chosen = usual;
  if (chosen != nullptr) return *chosen;
  throw Error(ErrorCode::config, "no installed observer can be chosen by \"auto\"",
              "name an observer: see `detent plugins list`");
}

}  // namespace detent
