// SPDX-License-Identifier: Apache-2.0
// config_schema: the layout and the installed plugins as JSON Schema, for editors and other
// programs.
//
// Only keywords that draft-07 has too but "$defs". What it accepts is what check_layout and
// check_plugins accept; rules between keys (a rule that keeps and quantizes, equal paths,
// expressions that do not compile) are beyond it.
#include <fmt/format.h>

#include "base/text.hpp"
#include "config/config.hpp"
#include "config/layout.hpp"
#include "json/parse.hpp"
#include "plugin/registry.hpp"

namespace detent {
namespace {

using json::Array;
using json::Member;
using json::Object;
using json::Value;

Object reference(std::string_view definition) {
  return Object{{"$ref", fmt::format("#/$defs/{}", definition)}};
}

// The names of a plugin as people may write them: in any case, with _ and - anywhere.
std::string name_pattern(const std::vector<std::string>& names) {
  std::string alternatives;
  for (const std::string& name : names) {
    if (!alternatives.empty()) alternatives += '|';
    alternatives += "[_-]*";
    for (const char c : normalise_name(name)) {
      const bool letter = c >= 'a' && c <= 'z';
      alternatives += letter ? fmt::format("[{}{}]", c, static_cast<char>(c - 'a' + 'A'))
                             : fmt::format("[{}]", c);
      alternatives += "[_-]*";
    }
  }
  return fmt::format("^({})$", alternatives);
}

std::string name_pattern(const Plugin& plugin) {
  std::vector<std::string> names = {plugin.id};
  names.insert(names.end(), plugin.aliases.begin(), plugin.aliases.end());
  return name_pattern(names);
}

std::vector<const Plugin*> installed(const Registry& registry, PluginKind kind) {
  std::vector<const Plugin*> plugins;
  for (const Plugin& plugin : registry.plugins()) {
    if (plugin.kind == kind && plugin.shadowed_by.empty()) plugins.push_back(&plugin);
  }
  return plugins;
}

bool has_default(const Object& properties, const std::string& name) {
  const Value* schema = properties.find(name);
  const Object* object = schema == nullptr ? nullptr : schema->if_object();
  return object != nullptr &&
         (object->contains("default") || object->contains("x-default-by-role"));
}

// What a default satisfies need not be given.
Array really_required(const Object& schema, const Object& properties) {
  Array names;
  const Value* required = schema.find("required");
  if (required == nullptr) return names;
  for (const Value& name : *required->if_array()) {
    if (!has_default(properties, *name.if_string())) names.push_back(name);
  }
  return names;
}

// A plugin's schema as part of this one: closed as check_against_schema reads it, and without an
// identity of its own, which would change what references mean.
Value embedded(const Value& schema) {
  const Object& object = *schema.if_object();
  Object properties;
  if (const Value* given = object.find("properties")) {
    for (const Member& p : *given->if_object()) properties.set(p.key, embedded(p.value));
  }
  Object result;
  for (const Member& m : object) {
    const bool ours = m.key == "$schema" || m.key == "$id" || m.key == "required" ||
                      m.key == "properties" || m.key == "items";
    if (!ours) result.set(m.key, m.value);
  }
  if (const Value* items = object.find("items")) result.set("items", embedded(*items));
  if (Array names = really_required(object, properties); !names.empty())
    result.set("required", std::move(names));
  if (!properties.empty()) result.set("properties", std::move(properties));
  const Value* type = object.find("type");
  const bool can_be_object = type == nullptr || type->if_array() != nullptr || *type == "object";
  if (can_be_object && !object.contains("additionalProperties"))
    result.set("additionalProperties", false);
  return result;
}

class SchemaWriter {
 public:
  explicit SchemaWriter(const Registry& registry) : registry_(registry) {}

  Value write() {
    Object root{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                {"title", "Detent pipeline"}};
    const Value body = object_schema(pipeline_layout());
    for (const Member& m : *body.if_object()) root.set(m.key, m.value);
    for (const PluginKind kind : {PluginKind::observer, PluginKind::quantizer,
                                  PluginKind::serializer, PluginKind::validator})
      add_plugin_definitions(kind);
    root.set("$defs", std::move(definitions_));
    return root;
  }

 private:
  Value object_schema(const Layout& layout) {
    Object properties;
    Array required;
    for (const Key& key : layout.keys) {
      properties.set(key.name, key_schema(key));
      if (key.required) required.emplace_back(key.name);
    }
    Object schema{{"description", layout.description},
                  {"type", "object"},
                  {"properties", std::move(properties)}};
    if (!required.empty()) schema.set("required", std::move(required));
    schema.set("additionalProperties", false);
    const bool is_scheme = &layout == &scheme_layout() || &layout == &activation_layout();
    if (is_scheme) schema.set("allOf", scheme_conditions());
    return schema;
  }

  Value key_schema(const Key& key) {
    Object schema{{"title", key.title}, {"description", key.description}};
    const Object shape = shape_schema(key);
    for (const Member& m : shape) schema.set(m.key, m.value);
    if (!key.default_json.empty()) schema.set("default", json::parse(key.default_json));
    return schema;
  }

  Object shape_schema(const Key& key) {
    const Object text{{"type", "string"}, {"minLength", 1}};
    const Object texts{{"type", "array"}, {"items", text}};
    switch (key.shape) {
      case Shape::text: return text;
      case Shape::integer: return numeric_schema("integer", key);
      case Shape::number: return numeric_schema("number", key);
      case Shape::boolean: return {{"type", "boolean"}};
      case Shape::choice: return {{"enum", Array(key.choices.begin(), key.choices.end())}};
      case Shape::texts: return texts;
      case Shape::text_or_texts: return one_or_many(text);
      case Shape::text_map: return {{"type", "object"}, {"additionalProperties", text}};
      case Shape::object: return definition_of(*key.layout);
      case Shape::objects: {
        Object list{{"type", "array"}, {"items", definition_of(*key.layout)}};
        if (key.nonempty) list.set("minItems", 1);
        return list;
      }
      case Shape::object_or_list: return one_or_many(definition_of(*key.layout));
      case Shape::plugin: return reference(to_string(key.plugin_kind));
      case Shape::plugins:
        return {{"type", "array"}, {"items", reference(to_string(key.plugin_kind))}};
      case Shape::parameters: return {{"type", "object"}};
    }
    return {};
  }

  static Object numeric_schema(const char* type, const Key& key) {
    Object schema{{"type", type}};
    if (key.minimum != std::numeric_limits<std::int64_t>::min()) schema.set("minimum", key.minimum);
    if (key.maximum != std::numeric_limits<std::int64_t>::max()) schema.set("maximum", key.maximum);
    return schema;
  }

  static Object one_or_many(const Object& one) {
    return {{"anyOf", Array{one, Object{{"type", "array"}, {"items", one}, {"minItems", 1}}}}};
  }

  Object definition_of(const Layout& layout) {
    if (!definitions_.contains(layout.name)) {
      definitions_.set(layout.name, Value());  // its place, should it be asked for on the way
      definitions_.set(layout.name, object_schema(layout));
    }
    return reference(layout.name);
  }

  // Beside a quantizer that is a name, "params" are that plugin's; beside an object there are none.
  Array scheme_conditions() const {
    const auto when = [](Value quantizer, Value params) {
      return Object{{"if", Object{{"properties", Object{{"quantizer", std::move(quantizer)}}},
                                  {"required", Array{"quantizer"}}}},
                    {"then", Object{{"properties", Object{{"params", std::move(params)}}}}}};
    };
    Array conditions = {when(Object{{"type", "object"}}, false)};
    for (const Plugin* plugin : installed(registry_, PluginKind::quantizer))
      conditions.emplace_back(when(Object{{"type", "string"}, {"pattern", name_pattern(*plugin)}},
                                   reference(params_definition(*plugin))));
    return conditions;
  }

  static std::string params_definition(const Plugin& plugin) {
    return fmt::format("{}_{}_params", to_string(plugin.kind), plugin.id);
  }

  void add_plugin_definitions(PluginKind kind) {
    const std::string name_of = fmt::format("{}_name", to_string(kind));
    Array ids;
    Array patterns;
    Array conditions;
    for (const Plugin* plugin : installed(registry_, kind)) {
      ids.emplace_back(plugin->id);
      for (const std::string& alias : plugin->aliases) ids.emplace_back(alias);
      const Object named{{"pattern", name_pattern(*plugin)}};
      patterns.emplace_back(named);
      conditions.emplace_back(Object{
          {"if", Object{{"properties", Object{{"id", named}}}, {"required", Array{"id"}}}},
          {"then",
           Object{{"properties", Object{{"params", reference(params_definition(*plugin))}}}}}});
      Value params = embedded(plugin->params_schema);
      params.if_object()->set("title", fmt::format("Parameters of {}", plugin->id));
      definitions_.set(params_definition(*plugin), std::move(params));
    }
    add_auto(kind, ids, patterns);

    Array spellings;
    if (!ids.empty()) spellings.emplace_back(Object{{"enum", std::move(ids)}});  // for completion
    for (Value& pattern : patterns) spellings.push_back(std::move(pattern));
    Object name{{"type", "string"}, {"minLength", 1}};
    if (!spellings.empty()) name.set("anyOf", std::move(spellings));
    definitions_.set(name_of, std::move(name));

    Value object = object_schema(plugin_layout());
    Value* id = object.if_object()->find("properties")->if_object()->find("id");
    id->if_object()->set("$ref", fmt::format("#/$defs/{}", name_of));
    if (!conditions.empty()) object.if_object()->set("allOf", std::move(conditions));
    definitions_.set(to_string(kind), Object{{"anyOf", Array{reference(name_of), object}}});
  }

  // "auto" leaves the choice among the observers to the parameters.
  void add_auto(PluginKind kind, Array& ids, Array& patterns) const {
    if (kind != PluginKind::observer || ids.empty()) return;
    ids.emplace_back("auto");
    patterns.emplace_back(Object{{"pattern", name_pattern({std::string("auto")})}});
  }

  const Registry& registry_;
  Object definitions_;
};

}  // namespace

Value config_schema(const Registry& registry) { return SchemaWriter(registry).write(); }

}  // namespace detent
