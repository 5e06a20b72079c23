// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor.hpp"

#include <algorithm>
#include <exception>
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/schema.hpp"
#include "json/parse.hpp"
#include "plugin/capabilities.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxTextBytes = 4096;
constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxSchemaBytes = 1 << 20;

[[noreturn]] void refuse(std::string reason) { throw Error(ErrorCode::plugin, std::move(reason)); }

std::string read_id(const detent_plugin& plugin, std::uint64_t index) {
  std::string id = checked_text(plugin.id, fmt::format("the id of plugin {}", index), kMaxIdBytes);
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  if (id.empty() || !std::all_of(id.begin(), id.end(), allowed)) {
    refuse(fmt::format("the id \"{}\" of plugin {} is not one or more of a-z 0-9 _ . -",
                       printable(id), index));
  }
  return id;
}

PluginKind read_kind(const detent_plugin& plugin) {
  if (plugin.kind < DETENT_KIND_OBSERVER || plugin.kind > DETENT_KIND_VALIDATOR) {
    refuse(fmt::format("\"{}\" is of the unknown kind {}", plugin.id, plugin.kind));
  }
  return static_cast<PluginKind>(plugin.kind);
}

// A list that is NULL is empty.
std::vector<std::string> read_list(const char* const* list, const std::string& what) {
  std::vector<std::string> out;
  for (; list != nullptr && *list != nullptr; ++list) {
    if (out.size() == kMaxListEntries) {
      refuse(fmt::format("{} have more than {} entries", what, kMaxListEntries));
    }
    out.push_back(checked_text(*list, "one of " + what, kMaxTextBytes));
    if (out.back().empty()) refuse(fmt::format("one of {} is empty", what));
  }
  return out;
}

json::Value read_object(const char* text, const std::string& what) {
  const std::string schema = checked_text(text, what, kMaxSchemaBytes);
  json::Value value;
  try {
    value = json::parse(schema);
  } catch (const json::ParseError& e) {
    refuse(fmt::format("{} is not JSON: {} at line {}, column {}", what, e.what(),
                       e.position().line, e.position().column));
  }
  if (value.if_object() == nullptr) {
    refuse(fmt::format("{} is {}, not an object", what, value.kind()));
  }
  return value;
}

json::Value read_capabilities(const char* text, const std::string& id) {
  if (text == nullptr) return json::Object{};
  const std::string what = fmt::format("capabilities of \"{}\"", id);
  json::Value value = read_object(text, what);
  const std::string wrong = wrong_in_capabilities(value);
  if (!wrong.empty()) refuse(fmt::format("{}: {}", what, printable(wrong)));
  return value;
}

json::Value read_schema(const char* text, const std::string& id) {
  const std::string what = fmt::format("params_schema of \"{}\"", id);
  json::Value value = read_object(text, what);
  const std::string unsupported = unsupported_schema(value);
  if (!unsupported.empty()) refuse(fmt::format("{}: {}", what, printable(unsupported)));
  return value;
}

// A statistic that is promised must be there to be asked for, and so must an exact merge.
void check_promises(const Plugin& plugin, const detent_plugin& c) {
  if (plugin.kind != PluginKind::observer) return;
  const auto& vtbl = *static_cast<const detent_observer_vtbl*>(c.vtbl);
  const bool has_stats = std::any_of(plugin.provides.begin(), plugin.provides.end(), is_statistic);
  if (has_stats && !DETENT_HAS(&vtbl, detent_observer_vtbl, compute_stat)) {
    refuse(fmt::format("\"{}\" provides statistics but has no compute_stat", plugin.id));
  }
  if ((plugin.flags & DETENT_PLUGIN_MERGE_EXACT) != 0 && vtbl.merge == nullptr) {
    refuse(fmt::format("\"{}\" promises an exact merge but has no merge", plugin.id));
  }
}

const detent_plugin& at(const detent_library& library, std::uint64_t index) {
  const detent_plugin* c = library.plugin_at(index);
  if (c == nullptr) refuse(fmt::format("plugin_at({}) is NULL", index));
  const std::uint64_t needed = DETENT_SIZE_UPTO(detent_plugin, vtbl);
  if (c->struct_size < needed) {
    refuse(fmt::format("the detent_plugin {} has {} bytes, ABI {}.{} needs {}", index,
                       c->struct_size, DETENT_ABI_MAJOR, DETENT_ABI_MINOR, needed));
  }
  return *c;
}

class LoadedSource : public PluginSource {
 public:
  explicit LoadedSource(std::shared_ptr<const Library> library) : library_(std::move(library)) {}
  void add(const void* vtbl) { vtbls_.push_back(vtbl); }
  PluginCode code(std::size_t index) const override { return {library_, vtbls_.at(index)}; }

 private:
  std::shared_ptr<const Library> library_;
  std::vector<const void*> vtbls_;
};

std::vector<Plugin> read_all(const detent_library& library, LoadedSource& source) {
  const std::uint64_t count = library.plugin_count();
  if (count == 0) refuse("has no plugins");
  if (count > kMaxPluginsOfFile) {
    refuse(fmt::format("says that it has {} plugins; {} are allowed", count, kMaxPluginsOfFile));
  }
  std::vector<Plugin> plugins;
  for (std::uint64_t i = 0; i < count; ++i) {
    const detent_plugin& c = at(library, i);
    Plugin plugin = describe(c, i);
    check_vtbl(c);
    check_promises(plugin, c);
    source.add(c.vtbl);
    add_described(plugins, std::move(plugin));
  }
  return plugins;
}

}  // namespace

Plugin describe(const detent_plugin& c, std::uint64_t index) {
  Plugin plugin{};
  plugin.id = read_id(c, index);
  const auto text = [&](const char* value, const char* field) {
    return checked_text(value, fmt::format("the {} of \"{}\"", field, plugin.id), kMaxTextBytes);
  };
  plugin.kind = read_kind(c);
  plugin.version = text(c.version, "version");
  if (!is_semver(plugin.version)) {
    refuse(fmt::format("the version \"{}\" of \"{}\" is not of the form 1.2.3",
                       printable(plugin.version), plugin.id));
  }
  plugin.name = text(c.name, "name");
  plugin.description = text(c.description, "description");
  plugin.vendor = text(c.vendor, "vendor");
  plugin.license = text(c.license, "license");
  plugin.params_schema = read_schema(c.params_schema, plugin.id);
  plugin.aliases = read_list(c.aliases, fmt::format("the aliases of \"{}\"", plugin.id));
  plugin.provides = read_list(c.provides, fmt::format("the provides of \"{}\"", plugin.id));
  plugin.requirements = read_list(c.requires_, fmt::format("the requires_ of \"{}\"", plugin.id));
  plugin.capabilities = read_capabilities(c.capabilities, plugin.id);
  plugin.flags = c.flags;
  plugin.state_version = c.state_version;
  return plugin;
}

void add_described(std::vector<Plugin>& plugins, Plugin plugin) {
  const auto same = [&](const Plugin& p) {
    return p.kind == plugin.kind && normalise_name(p.id) == normalise_name(plugin.id);
  };
  if (std::any_of(plugins.begin(), plugins.end(), same)) {
    refuse(fmt::format("describes {} \"{}\" twice", to_string(plugin.kind), plugin.id));
  }
  plugin.index = plugins.size();
  plugins.push_back(std::move(plugin));
}

std::string checked_build(const char* text) {
  return text == nullptr ? "" : checked_text(text, "the build text", kMaxTextBytes);
}

std::vector<Plugin> read_descriptors(const std::shared_ptr<const Library>& library) {
  const detent_library& c = library->c();
  const auto source = std::make_shared<LoadedSource>(library);
  std::vector<Plugin> plugins;
  try {
    plugins = read_all(c, *source);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    refuse(fmt::format("threw while its plugins were listed: {}", printable(e.what())));
  } catch (...) {
    refuse("threw while its plugins were listed");
  }
  const std::string build = checked_build(c.build);
  for (Plugin& plugin : plugins) {
    plugin.path = library->path();
    plugin.build = build;
    plugin.abi_major = c.abi_major;
    plugin.abi_minor = c.abi_minor;
    plugin.source = source;
  }
  return plugins;
}

}  // namespace detent
