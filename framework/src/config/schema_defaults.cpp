// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "config/schema.hpp"

namespace detent {
namespace {

using json::Member;
using json::Object;
using json::Value;

const Value* default_of(const Object& schema, std::string_view role) {
  if (const Value* roles = schema.find("x-default-by-role")) {
    const Object* by_role = roles->if_object();
    if (const Value* v = by_role == nullptr ? nullptr : by_role->find(role)) return v;
  }
  return schema.find("default");
}

Value complete(const Value& value, const Value& schema, std::string_view role) {
  const Object* given = value.if_object();
  if (given == nullptr) return value;
  Value whole(with_defaults(*given, schema, role));
  whole.position = value.position;
  return whole;
}

// Defaults carry no position: that is how the origin of a value is told.
Value without_position(Value value) {
  value.position = {};
  if (Object* object = value.if_object()) {
    for (Member& m : object->members()) {
      m.position = {};
      m.value = without_position(std::move(m.value));
    }
  } else if (json::Array* array = value.if_array()) {
    for (Value& item : *array) item = without_position(std::move(item));
  }
  return value;
}

}  // namespace

Object with_defaults(const Object& params, const Value& schema, std::string_view role) {
  const Object* rules = schema.if_object();
  const Value* properties = rules == nullptr ? nullptr : rules->find("properties");
  const Object* known = properties == nullptr ? nullptr : properties->if_object();
  if (known == nullptr) return params;

  Object result;
  for (const Member& property : *known) {
    const auto given = std::find_if(params.begin(), params.end(),
                                    [&](const Member& m) { return m.key == property.key; });
    if (given != params.end()) {
      result.append({given->key, given->position, complete(given->value, property.value, role)});
    } else if (const Object* sub = property.value.if_object()) {
      if (const Value* v = default_of(*sub, role))
        result.append({property.key, {}, complete(without_position(*v), property.value, role)});
    }
  }
  for (const Member& m : params) {
    if (!known->contains(m.key)) result.append(m);
  }
  return result;
}

}  // namespace detent
