// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace detent::cli {
namespace {

namespace fs = std::filesystem;

json::Object facts(const Plugin& p) {
  return {{"id", p.id},
          {"kind", to_string(p.kind)},
          {"version", p.version},
          {"vendor", p.vendor},
          {"path", p.path.string()},
          {"sha256", p.sha256},
          {"builtin", p.builtin},
          {"shadowed_by", p.shadowed_by.empty() ? json::Value() : json::Value(p.shadowed_by)}};
}

json::Value names(const std::vector<std::string>& list) {
  return json::Array(list.begin(), list.end());
}

std::vector<std::string> promises(const Plugin& p) {
  std::vector<std::string> words;
  if ((p.flags & DETENT_PLUGIN_MERGE_EXACT) != 0) words.emplace_back("merge_exact");
  if ((p.flags & DETENT_PLUGIN_DETERMINISTIC) != 0) words.emplace_back("deterministic");
  if ((p.flags & DETENT_PLUGIN_ROWWISE) != 0) words.emplace_back("rowwise");
  if ((p.flags & DETENT_PLUGIN_WANTS_ISOLATION) != 0) words.emplace_back("wants_isolation");
  return words;
}

json::Object all_facts(const Plugin& p) {
  json::Object o = facts(p);
  o.set("name", p.name);
  o.set("description", p.description);
  o.set("license", p.license);
  o.set("aliases", names(p.aliases));
  o.set("params_schema", p.params_schema);
  o.set("provides", names(p.provides));
  o.set("requires", names(p.requirements));
  o.set("capabilities", names(promises(p)));
  o.set("limits", p.capabilities);
  o.set("build", p.build);
  o.set("abi", fmt::format("{}.{}", p.abi_major, p.abi_minor));
  o.set("origin", p.origin);
  return o;
}

// A path names one file; anything else the plugin of that id or alias, of whatever kind.
const Plugin& choose(const Registry& registry, const std::string& id) {
  const fs::path file = fs::absolute(id).lexically_normal();
  const bool is_path = id.find('/') != std::string::npos || id.ends_with(".so");
  const auto same = [&](const fs::path& p) { return fs::absolute(p).lexically_normal() == file; };
  if (is_path) {
    for (const PluginProblem& p : registry.problems())
      if (same(p.path)) throw Error(ErrorCode::plugin, fmt::format("{}: {}", id, p.reason));
    for (const Plugin& p : registry.plugins())
      if (same(p.path)) return p;
    throw Error(ErrorCode::plugin, fmt::format("{}: no such file, or its name does not end in "
                                               ".detent.so",
                                               id));
  }
  for (const PluginKind kind :
       {PluginKind::observer, PluginKind::quantizer, PluginKind::serializer, PluginKind::validator})
    if (const Plugin* p = registry.find(kind, id)) return *p;
  std::vector<std::string> ids;
  for (const Plugin& p : registry.plugins()) ids.push_back(p.id);
  // A refused library explains itself through any kind's look-up.
  try {
    return registry.get(PluginKind::observer, id);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::plugin) throw;
  }
  const std::string near = nearest_name(id, ids);
  throw Error(ErrorCode::config, fmt::format("unknown plugin \"{}\"", id),
              (near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near)) +
                  "installed: " + join_words(ids));
}

std::string parameters(const json::Value& schema) {
  const json::Object* o = schema.if_object();
  const json::Value* properties = o != nullptr ? o->find("properties") : nullptr;
  if (properties == nullptr || properties->if_object() == nullptr) return "  none\n";
  std::string text;
  for (const json::Member& m : *properties->if_object()) {
    const json::Object& p = *m.value.if_object();
    text += fmt::format("  {}", m.key);
    for (const char* key :
         {"type", "enum", "const", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum",
          "multipleOf", "default", "x-default-by-role"})
      if (const json::Value* v = p.find(key)) text += fmt::format("  {} {}", key, json::dump(*v));
    text += '\n';
    if (const json::Value* d = p.find("description"); d != nullptr && d->if_string() != nullptr)
      text += fmt::format("      {}\n", *d->if_string());
  }
  return text;
}

}  // namespace

int plugins_list(const Globals& globals) {
  const Registry registry = installed_plugins(globals);
  if (globals.json) {
    json::Array plugins;
    for (const Plugin& p : registry.plugins()) plugins.push_back(facts(p));
    json::Array problems;
    for (const PluginProblem& p : registry.problems())
      problems.push_back(json::Object{{"path", p.path.string()}, {"reason", p.reason}});
    print_json(json::Object{{"plugins", std::move(plugins)}, {"problems", std::move(problems)}});
    return 0;
  }
  std::size_t width = 0;
  for (const Plugin& p : registry.plugins()) width = std::max(width, p.id.size());
  for (const Plugin& p : registry.plugins()) {
    print_text(fmt::format("{:<10}  {:<{}}  {:<8} {}\n", to_string(p.kind), printable(p.id), width,
                           printable(p.version), printable(p.description)));
    if (globals.verbose || !p.builtin) print_text(fmt::format("            {}\n", p.path.string()));
    if (!p.shadowed_by.empty())
      print_text(fmt::format("            shadowed by {}\n", p.shadowed_by));
  }
  for (const PluginProblem& p : registry.problems())
    print_warnings({{"plugin_refused", fmt::format("{}: {}", p.path.string(), p.reason), {}}},
                   globals);
  return 0;
}

int plugins_show(const Globals& globals, const std::string& id) {
  Globals with_folder = globals;
  if (id.find('/') != std::string::npos)
    with_folder.plugin_path.push_back(fs::path(id).parent_path());
  const Registry registry = installed_plugins(with_folder);
  const Plugin& p = choose(registry, id);
  if (globals.json) {
    print_json(all_facts(p));
    return 0;
  }
  std::string text =
      fmt::format("{} {} {}\n{}\n", to_string(p.kind), p.id, p.version, p.description);
  text += fmt::format("vendor      {}\nlicense     {}\npath        {}\nsha256      {}\n", p.vendor,
                      p.license, p.path.string(), p.sha256);
  if (!p.aliases.empty()) text += "aliases     " + join_words(p.aliases) + "\n";
  if (!p.provides.empty()) text += "provides    " + join_words(p.provides) + "\n";
  if (!p.requirements.empty()) text += "requires    " + join_words(p.requirements) + "\n";
  if (const auto words = promises(p); !words.empty())
    text += "promises    " + join_words(words) + "\n";
  text += "parameters\n" + parameters(p.params_schema);
  for (const json::Member& limit : *p.capabilities.if_object())
    text += fmt::format("limits of the {}\n", limit.key) + parameters(limit.value);
  print_text(text);
  return 0;
}

}  // namespace detent::cli
