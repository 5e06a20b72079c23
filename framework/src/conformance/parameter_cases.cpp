// SPDX-License-Identifier: Apache-2.0
// Cases of parameters: what the schema declares legal is accepted, and nothing can do harm.
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/text.hpp"
#include "config/schema.hpp"
#include "conformance/any_plugin.hpp"
#include "conformance/case.hpp"
#include "conformance/subject.hpp"

namespace detent::conformance {
namespace {

constexpr std::array kRoles = {DETENT_ROLE_WEIGHT, DETENT_ROLE_ACTIVATION, DETENT_ROLE_NONE};

// What a refusal of parameters may look like; the rest is a failure.
void expect_refusal(std::int32_t status, const World& world, const std::string& what) {
  const bool is_refusal = status == DETENT_E_PARAMS || status == DETENT_E_UNSUPPORTED ||
                          status == DETENT_E_INVALID_ARG || status == DETENT_E_NO_MEMORY;
  expect(is_refusal, "create with {} returned {} instead of DETENT_OK or DETENT_E_PARAMS", what,
         status_name(status));
  expect(status == DETENT_E_NO_MEMORY || !world.text().empty(),
         "create with {} returned {} without a text", what, status_name(status));
}

// Does any role take them? The text of the last refusal otherwise.
bool is_accepted(Subject& subject, const json::Object& changes, std::string& refusal) {
  for (const std::uint32_t role : kRoles) {
    World world;
    AnyPlugin any(subject, world);
    json::Object params = subject.params(role);
    for (const json::Member& m : changes) params.set(m.key, m.value);
    const std::int32_t status = any.try_create(role, params);
    if (status == DETENT_OK) return true;
    expect_refusal(status, world, json::dump(params));
    refusal = fmt::format("{}: {}", status_name(status), printable(world.text()));
  }
  return false;
}

std::string defaults(Subject& subject) {
  std::string refusal;
  if (!is_accepted(subject, {}, refusal))
    fail("create refuses its own defaults for every role: {}", refusal);
  return {};
}

void add_bounds(const json::Object& rules, bool is_integer, json::Array& values) {
  double at = 0;
  const auto add = [&](const json::Value& v) {
    if (is_integer && std::abs(at) < 9e15)
      values.emplace_back(static_cast<std::int64_t>(at));
    else
      values.push_back(v);
  };
  for (const char* key : {"minimum", "maximum"})
    if (const json::Value* v = rules.find(key); v != nullptr && v->to_double(&at)) add(*v);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& [key, way] : {std::pair{"exclusiveMinimum", 1.0}, {"exclusiveMaximum", -1.0}}) {
    const json::Value* v = rules.find(key);
    if (v == nullptr || !v->to_double(&at)) continue;
    at = is_integer ? at + way : std::nextafter(at, way * infinity);
    add(json::number(at));
  }
}

// Values that the schema of one parameter allows: its default, its bounds, each of a list.
json::Array legal_values(const json::Value& schema) {
  const json::Value usual = legal_value(schema);
  json::Array values{usual};
  const json::Object& rules = *schema.if_object();
  if (const json::Value* list = rules.find("enum"))
    values.insert(values.end(), list->if_array()->begin(), list->if_array()->end());
  const json::Value* type = rules.find("type");
  const std::string name =
      type != nullptr && type->if_string() != nullptr ? *type->if_string() : "";
  if (name == "boolean")
    for (const bool v : {true, false}) values.emplace_back(v);
  if (name == "integer" || name == "number") add_bounds(rules, name == "integer", values);
  json::Array legal;
  for (const json::Value& v : values)
    if (check_against_schema(v, schema, "").empty()) legal.push_back(v);
  return legal;
}

const json::Object& properties(Subject& subject) {
  static const json::Object none;
  const json::Value* p = subject.schema().at_pointer("/properties");
  return p != nullptr && p->if_object() != nullptr ? *p->if_object() : none;
}

// A value may need another parameter to go with it: each value of each other is tried.
bool is_accepted_with_another(Subject& subject, const std::string& key, const json::Value& value) {
  std::string ignored;
  for (const json::Member& other : properties(subject)) {
    if (other.key == key) continue;
    for (const json::Value& v : legal_values(other.value))
      if (is_accepted(subject, {{key, value}, {other.key, v}}, ignored)) return true;
  }
  return false;
}

std::string legal(Subject& subject) {
  std::size_t tried = 0;
  for (const json::Member& m : properties(subject)) {
    if (m.value.if_object() == nullptr) continue;
    for (const json::Value& value : legal_values(m.value)) {
      ++tried;
      std::string refusal;
      if (is_accepted(subject, {{m.key, value}}, refusal) ||
          is_accepted_with_another(subject, m.key, value))
        continue;
      fail("the schema allows {}: {}, and create refuses it with every other parameter: {}", m.key,
           json::dump(value), refusal);
    }
  }
  if (tried == 0) throw Skip{"it has no parameters"};
  return fmt::format("{} values", tried);
}

// Parameters that answer every question the same way.
class Hostile {
 public:
  explicit Hostile(std::int32_t status) : status_(status) {
    params_ = {sizeof params_,
               this,
               [](const detent_params* p, const char*, std::int64_t* out) {
                 *out = of(p).whole;
                 return of(p).status_;
               },
               [](const detent_params* p, const char*, double* out) {
                 *out = of(p).real;
                 return of(p).status_;
               },
               [](const detent_params* p, const char*, std::uint32_t* out) {
                 *out = of(p).truth;
                 return of(p).status_;
               },
               [](const detent_params* p, const char*, const char** out, std::uint64_t* n) {
                 *out = of(p).text.c_str();
                 *n = of(p).text.size();
                 return of(p).status_;
               },
               [](const detent_params* p, const char*, std::uint64_t* out) {
                 *out = of(p).text.size();
                 return of(p).status_;
               }};
  }
  const detent_params& c() const { return params_; }

  std::int64_t whole = 0;
  double real = 0;
  std::uint32_t truth = 0;
  std::string text;

 private:
  static const Hostile& of(const detent_params* p) { return *static_cast<const Hostile*>(p->ctx); }
  std::int32_t status_;
  detent_params params_{};
};

void try_hostile(Subject& subject, const Hostile& hostile, const char* what) {
  World world;
  AnyPlugin any(subject, world);
  const std::int32_t status = any.try_create(hostile.c());
  if (status != DETENT_OK) expect_refusal(status, world, what);
}

std::string absent(Subject& subject) {
  try_hostile(subject, Hostile(DETENT_E_NOT_FOUND), "no parameters at all");
  try_hostile(subject, Hostile(DETENT_E_PARAMS), "parameters of other types");
  try_hostile(subject, Hostile(DETENT_E_INTERNAL), "parameters that cannot be read");
  return {};
}

std::string hostile(Subject& subject) {
  Hostile h(DETENT_OK);
  for (const std::int64_t whole : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX}) {
    h.whole = whole;
    h.real = static_cast<double>(whole);
    h.truth = static_cast<std::uint32_t>(whole);
    try_hostile(subject, h, "numbers beyond the schema");
  }
  for (const double real : {std::nan(""), std::numeric_limits<double>::infinity(), 5e-324}) {
    h.whole = 1;
    h.real = real;
    try_hostile(subject, h, "NaN, infinite and tiny numbers");
  }
  h.real = 0.5;
  for (const std::string& text :
       {std::string(), std::string("\xFF\xFE\0x", 4), std::string(1 << 20, '%')}) {
    h.text = text;
    try_hostile(subject, h, "texts beyond the schema");
  }
  return {};
}

constexpr std::array<Case, 4> kCases = {{
    {"parameters.defaults", kEveryPlugin,
     "create takes the schema's own defaults (abi.h, params_schema).",
     "let the schema's defaults and the checks in create agree", &defaults},
    {"parameters.legal", kEveryPlugin,
     "create refuses nothing that the schema declares legal: defaults, bounds, each value of an "
     "enum "
     "(abi.h, params_schema).",
     "narrow the schema to what create accepts, or accept more", &legal},
    {"parameters.absent", kEveryPlugin,
     "Parameters that are missing or of another type are refused with a text, or a default stands "
     "in "
     "(abi/base.h, detent_params).",
     "look at what the get_ functions return before using *out", &absent},
    {"parameters.hostile", kEveryPlugin,
     "Values beyond the schema do no harm: create takes them or refuses with a text (R2).",
     "check each parameter in create and return DETENT_E_PARAMS with a text", &hostile},
}};

}  // namespace

std::span<const Case> parameter_cases() { return kCases; }

}  // namespace detent::conformance
