// SPDX-License-Identifier: Apache-2.0
// check_plugins: names to plugins, parameters against schemas, defaults into parameters.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/message.hpp"
#include "config/plugin_uses.hpp"
#include "config/problems.hpp"
#include "config/schema.hpp"
#include "isolate/isolation.hpp"
#include "plugin/registry.hpp"

namespace detent {
namespace {

constexpr std::array kKinds = {PluginKind::observer, PluginKind::quantizer, PluginKind::serializer,
                               PluginKind::validator};

std::string with_article(PluginKind kind) {
  return fmt::format("{} {}", kind == PluginKind::observer ? "an" : "a", to_string(kind));
}

std::string installed(const Registry& registry, PluginKind kind) {
  std::vector<std::string> ids;
  for (const Plugin& plugin : registry.plugins()) {
    if (plugin.kind == kind && plugin.shadowed_by.empty()) ids.push_back(plugin.id);
  }
  std::sort(ids.begin(), ids.end());
  if (ids.empty()) return fmt::format("no {} is installed", to_string(kind));
  return fmt::format("installed {}s: {}", to_string(kind), fmt::join(ids, ", "));
}

// ".safetensors" and whatever else a serializer says that it writes; empty: anything.
std::vector<std::string> extensions_of(const Plugin& plugin) {
  constexpr std::string_view kExtension = "extension:";
  std::vector<std::string> extensions;
  for (const std::string& capability : plugin.provides)
    if (capability.starts_with(kExtension))
      extensions.push_back(capability.substr(kExtension.size()));
  return extensions;
}

bool writes(const Plugin& plugin, const std::filesystem::path& path) {
  const std::vector<std::string> extensions = extensions_of(plugin);
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extensions.empty() ||
         std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

class PluginChecker {
 public:
  PluginChecker(const Config& config, const Registry& registry)
      : config_(config),
        source_{config.file.string(), config.overrides},
        problems_(source_),
        registry_(registry) {}

  void check(PluginUse& use, PluginKind kind, std::string_view role) {
    use.plugin = resolve(use, kind);
    if (use.plugin == nullptr) return;
    const json::Value& schema = use.plugin->params_schema;
    json::Value params(use.params);
    params.position = use.position;
    const auto mistakes = check_against_schema(params, schema, use.plugin->id);
    for (const SchemaProblem& m : mistakes)
      add(ErrorCode::config,
          {m.message, m.hint, source_.locate(use.params_pointer + m.pointer, m.position)});
    if (mistakes.empty()) use.params = with_defaults(use.params, schema, role);
    isolate(use);
  }

  // Of a plugin that the file does not name.
  void isolate_found(PluginUse& use) {
    if (is_to_be_isolated(*use.plugin, config_.isolation))
      use.plugin = &registry_.isolated(*use.plugin, limits());
  }

  // Readers go by the name, our own among them: a file that says another format is none.
  void check_extension(const Output& output) {
    const Plugin* plugin = output.serializer.plugin;
    const std::filesystem::path& path = output.path;
    const bool is_folder = path.filename().empty() || std::filesystem::is_directory(path);
    if (plugin == nullptr || is_folder || writes(*plugin, path)) return;
    const std::string extension = path.extension().string();
    const std::string name = path.filename().string();
    problems_.add(output.pointer + "/path", output.position,
                  extension.empty()
                      ? fmt::format("{} has no file extension", quote_abridged(name))
                      : fmt::format("unsupported file extension {} for serializer \"{}\"",
                                    quote_abridged(extension), plugin->id),
                  extension_hint(*plugin, path));
  }

  void throw_if_any() { problems_.throw_if_any(code_); }

 private:
  IsolationLimits limits() const {
    return {std::chrono::seconds(config_.plugin_timeout), config_.plugin_memory};
  }

  void isolate(PluginUse& use) {
    try {
      if (is_to_be_isolated(*use.plugin, use.isolation.empty() ? config_.isolation : use.isolation))
        use.plugin = &registry_.isolated(*use.plugin, limits());
    } catch (const Error& e) {
      Problem problem = e.problems()[0];
      problem.where = source_.locate(use.name_pointer, use.position);
      problem.where.plugin = use.plugin->id;
      add(ErrorCode::config, std::move(problem));
    }
  }

  const Plugin* resolve(PluginUse& use, PluginKind kind) {
    try {
      use.chosen_by_auto = kind == PluginKind::observer && normalise_name(use.name) == "auto" &&
                           registry_.find(kind, use.name) == nullptr;
      return use.chosen_by_auto ? &registry_.choose_observer(use.params)
                                : &registry_.get(kind, use.name);
    } catch (const Error& e) {
      const bool unknown = e.code() == ErrorCode::config;
      if (!unknown || !add_wrong_kind(use, kind)) add_all(e, use);
      return nullptr;
    }
  }

  std::string extension_hint(const Plugin& plugin, const std::filesystem::path& path) const {
    std::vector<std::string> others;
    for (const Plugin& other : registry_.plugins()) {
      const bool fits = other.kind == PluginKind::serializer && other.shadowed_by.empty() &&
                        !extensions_of(other).empty() && writes(other, path);
      if (fits) others.push_back(fmt::format("\"{}\"", other.id));
    }
    std::sort(others.begin(), others.end());
    std::string hint = fmt::format("it writes {}", join_or(extensions_of(plugin)));
    if (!others.empty())
      hint +=
          fmt::format("; {} files are written by {}", path.extension().string(), join_or(others));
    return hint;
  }

  // The name of a plugin of another kind is in the wrong place rather than unknown.
  bool add_wrong_kind(const PluginUse& use, PluginKind wanted) {
    for (const PluginKind kind : kKinds) {
      if (kind == wanted || registry_.find(kind, use.name) == nullptr) continue;
      add(ErrorCode::config,
          {fmt::format("{} is {}; {} belongs here", quote_abridged(use.name), with_article(kind),
                       with_article(wanted)),
           installed(registry_, wanted), source_.locate(use.name_pointer, use.position)});
      return true;
    }
    return false;
  }

  void add_all(const Error& e, const PluginUse& use) {
    for (Problem p : e.problems()) {
      Where where = source_.locate(use.name_pointer, use.position);
      where.plugin = p.where.plugin;
      p.where = std::move(where);
      add(e.code(), std::move(p));
    }
  }

  // A plugin that was refused is the error only when the file itself has none.
  void add(ErrorCode code, Problem problem) {
    code_ = problems_.empty() || code == ErrorCode::config ? code : code_;
    problems_.add(std::move(problem));
  }

  const Config& config_;
  Source source_;
  Problems problems_;
  const Registry& registry_;
  ErrorCode code_ = ErrorCode::config;
};

PluginUse with_default_params(const Plugin& plugin) {
  PluginUse use;
  use.name = plugin.id;
  use.params = with_defaults({}, plugin.params_schema, "activation");
  use.plugin = &plugin;
  return use;
}

std::map<std::string, PluginUse> providers_in(const Registry& registry) {
  std::map<std::string, PluginUse> providers;
  for (const Plugin& plugin : registry.plugins()) {
    if (plugin.kind != PluginKind::observer || !plugin.shadowed_by.empty()) continue;
    for (const std::string& stat : plugin.provides) {
      if (!is_statistic(stat)) continue;
      PluginUse& use = providers[stat];
      if (use.plugin == nullptr || plugin.id < use.name) use = with_default_params(plugin);
    }
  }
  return providers;
}

}  // namespace

void check_plugins(Config& config, const Registry& registry) {
  PluginChecker checker(config, registry);
  for (auto& named : plugin_uses(config)) checker.check(*named.use, named.kind, named.role);
  for (const Output& output : config.outputs) checker.check_extension(output);
  checker.throw_if_any();
  config.statistic_providers = providers_in(registry);
  for (auto& [statistic, use] : config.statistic_providers) checker.isolate_found(use);
}

PluginTrust trust_of(const Config& config) {
  return config.only_pinned ? PluginTrust::pinned : PluginTrust::any;
}

PluginListing listing_of(const Config& config) {
  return config.isolation == "none" ? PluginListing::here : PluginListing::elsewhere;
}

}  // namespace detent
