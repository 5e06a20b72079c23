// SPDX-License-Identifier: Apache-2.0
// unsupported_schema: is this a schema that the host can enforce?
#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace detent {
namespace {

using json::Array;
using json::Member;
using json::Object;
using json::Value;

constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "integer", "number",
                                                    "string", "array",   "object"};
constexpr std::array<std::string_view, 9> kAnnotations = {"title",      "description", "examples",
                                                          "$schema",    "$id",         "$comment",
                                                          "deprecated", "readOnly",    "writeOnly"};

std::string check_schema(const Value& schema, const std::string& pointer);

bool is_type_name(const Value& v) {
  const std::string* name = v.if_string();
  return name != nullptr && std::find(kTypes.begin(), kTypes.end(), *name) != kTypes.end();
}

bool is_list(const Value& v, bool (*accepts)(const Value&)) {
  const Array* array = v.if_array();
  return array != nullptr && std::all_of(array->begin(), array->end(), accepts);
}

bool is_string(const Value& v) { return v.if_string() != nullptr; }
bool is_any(const Value&) { return true; }
bool is_nonempty_list(const Value& v, bool (*accepts)(const Value&)) {
  return is_list(v, accepts) && !v.if_array()->empty();
}
bool is_count(const Value& v) {
  std::uint64_t count = 0;
  return v.to_uint(&count);
}
bool is_positive(const Value& v) {
  double number = 0;
  return v.to_double(&number) && number > 0;
}

std::string check_members(const Value& properties, const std::string& pointer) {
  const Object* object = properties.if_object();
  if (object == nullptr) return pointer + ": expected an object";
  for (const Member& m : *object) {
    if (std::string why = check_schema(m.value, pointer + json::pointer_step(m.key)); !why.empty())
      return why;
  }
  return "";
}

bool is_role_defaults(const Value& v) {
  const Object* roles = v.if_object();
  return roles != nullptr && std::all_of(roles->begin(), roles->end(), [](const Member& m) {
           return m.key == "weight" || m.key == "activation";
         });
}

// The shape of one keyword's value; empty when it is understood.
std::string check_keyword(const Member& m, const std::string& pointer) {
  const std::string& key = m.key;
  const Value& v = m.value;
  const auto must_be = [&](bool ok, const char* what) {
    return ok ? std::string() : fmt::format("{}: expected {}", pointer, what);
  };
  if (key == "type") {
    return must_be(is_type_name(v) || is_nonempty_list(v, is_type_name),
                   "the name of a type or a list of them");
  }
  if (key == "enum") return must_be(is_nonempty_list(v, is_any), "a list of values");
  if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
      key == "exclusiveMaximum")
    return must_be(v.is_number(), "a number");
  if (key == "multipleOf") return must_be(is_positive(v), "a number above 0");
  if (key == "minLength" || key == "maxLength" || key == "minItems" || key == "maxItems")
    return must_be(is_count(v), "a whole number, 0 or more");
  if (key == "items") return check_schema(v, pointer);
  if (key == "properties") return check_members(v, pointer);
  if (key == "required") return must_be(is_list(v, is_string), "a list of strings");
  if (key == "additionalProperties") return must_be(v.if_bool() != nullptr, "true or false");
  if (key == "x-default-by-role")
    return must_be(is_role_defaults(v), "an object with the keys weight and activation");
  if (key == "default" || key == "const" || key.starts_with("x-")) return "";
  if (std::find(kAnnotations.begin(), kAnnotations.end(), key) != kAnnotations.end()) return "";
  return fmt::format("{}: the keyword {} is not supported", pointer, json::quote(key));
}

// A default that its own schema refuses would be refused for every user who does not set it.
std::string check_default(const Value& value, const Value& schema, const std::string& pointer) {
  const std::vector<SchemaProblem> problems = check_against_schema(value, schema, "this schema");
  if (problems.empty()) return "";
  return fmt::format("{}: the default breaks its own schema: {}", pointer, problems[0].message);
}

std::string check_defaults(const Object& schema, const Value& whole, const std::string& pointer) {
  if (const Value* v = schema.find("default")) {
    if (std::string why = check_default(*v, whole, pointer + "/default"); !why.empty()) return why;
  }
  if (const Value* roles = schema.find("x-default-by-role")) {
    for (const Member& m : *roles->if_object()) {
      std::string why = check_default(m.value, whole, pointer + "/x-default-by-role/" + m.key);
      if (!why.empty()) return why;
    }
  }
  return "";
}

std::string check_schema(const Value& schema, const std::string& pointer) {
  const Object* object = schema.if_object();
  if (object == nullptr)
    return fmt::format("{}: expected an object, found {}", pointer.empty() ? "/" : pointer,
                       schema.kind());
  for (const Member& m : *object) {
    if (std::string why = check_keyword(m, pointer + json::pointer_step(m.key)); !why.empty())
      return why;
  }
  return check_defaults(*object, schema, pointer);
}

}  // namespace

std::string unsupported_schema(const Value& schema) {
  if (std::string why = check_schema(schema, ""); !why.empty()) return why;
  const Value* type = schema.if_object()->find("type");
  if (type != nullptr && *type != Value("object"))
    return "/type: the parameters of a plugin are an object";
  return "";
}

}  // namespace detent
