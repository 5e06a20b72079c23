// SPDX-License-Identifier: Apache-2.0
#include "serialize/configuration.hpp"

namespace detent {
namespace {

// The keys of an object that are recorded; null for an absent object.
json::Value some_of(const json::Value* value, std::initializer_list<const char*> keys) {
  const json::Object* object = value != nullptr ? value->if_object() : nullptr;
  if (object == nullptr) return nullptr;
  json::Object some;
  for (const char* key : keys)
    if (const json::Value* v = object->find(key)) some.set(key, *v);
  return some;
}

// Where a plugin runs changes no byte: an artefact does not tell.
void remove_isolation(json::Value& value) {
  if (json::Array* array = value.if_array())
    for (json::Value& item : *array) remove_isolation(item);
  json::Object* object = value.if_object();
  if (object == nullptr) return;
  if (object->contains("id")) object->erase("isolation");
  for (const json::Member& member : json::Object(*object))
    if (member.key != "params") remove_isolation(*object->find(member.key));
}

}  // namespace

json::Value recorded_configuration(const Config& config, const PluginUse& serializer) {
  const json::Value effective = effective_config(config);
  const json::Value& all = *effective.at_pointer("/value");
  const auto at = [&](const char* pointer) { return all.at_pointer(pointer); };
  json::Object recorded;
  if (const json::Value* version = at("/version")) recorded.set("version", *version);
  recorded.set("model", some_of(at("/model"), {"types"}));
  recorded.set("calibration",
               some_of(at("/calibration"), {"samples", "batch_size", "clip_warning"}));
  for (const char* key : {"rules", "modules_to_not_convert", "validation"})
    if (const json::Value* v = all.if_object()->find(key)) {
      json::Value kept = *v;
      remove_isolation(kept);
      recorded.set(key, std::move(kept));
    }
  recorded.set("runtime", some_of(at("/runtime"), {"seed"}));
  recorded.set("serializer",
               json::Object{{"id", serializer.plugin->id}, {"params", serializer.params}});
  return recorded;
}

}  // namespace detent
