// SPDX-License-Identifier: Apache-2.0
// check_against_schema: one function a keyword, and messages that name the parameter and its owner.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <optional>

#include "base/text.hpp"
#include "config/message.hpp"
#include "config/nearest_value.hpp"
#include "config/schema.hpp"

namespace detent {
namespace {

using json::Array;
using json::Member;
using json::Object;
using json::Value;

// Exact for two integers, in doubles otherwise.
int compare(const Value& a, const Value& b) {
  std::int64_t i = 0;
  std::int64_t j = 0;
  if (a.to_int(&i) && b.to_int(&j)) return i < j ? -1 : i > j;
  std::uint64_t u = 0;
  std::uint64_t v = 0;
  if (a.to_uint(&u) && b.to_uint(&v)) return u < v ? -1 : u > v;
  double x = 0;
  double y = 0;
  a.to_double(&x);
  b.to_double(&y);
  return x < y ? -1 : x > y;
}

// 0.3 counts as a multiple of 0.1, though no double is.
bool is_multiple(const Value& value, const Value& of) {
  std::int64_t i = 0;
  std::int64_t j = 0;
  if (value.to_int(&i) && of.to_int(&j)) return j != 0 && i % j == 0;
  double x = 0;
  double y = 0;
  value.to_double(&x);
  of.to_double(&y);
  const double ratio = x / y;
  return std::abs(ratio - std::round(ratio)) <= 1e-9 * std::max(1.0, std::abs(ratio));
}

std::uint64_t count_characters(std::string_view text) {
  return static_cast<std::uint64_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

bool has_type(const Value& v, std::string_view type) {
  std::int64_t i = 0;
  std::uint64_t u = 0;
  if (type == "null") return v.is_null();
  if (type == "boolean") return v.if_bool() != nullptr;
  if (type == "integer") return v.to_int(&i) || v.to_uint(&u);
  if (type == "number") return v.is_number();
  if (type == "string") return v.if_string() != nullptr;
  if (type == "array") return v.if_array() != nullptr;
  return v.if_object() != nullptr;
}

std::string type_in_words(std::string_view type) {
  if (type == "null") return "null";
  const bool vowel = type == "integer" || type == "array" || type == "object";
  return fmt::format("{} {}", vowel ? "an" : "a", type);
}

class Checker {
 public:
  Checker(const std::string& where, std::vector<SchemaProblem>& out) : where_(where), out_(out) {}

  // `name`: "group_size", "ranges[1]", or "the parameters" for the whole.
  void check(const Value& value, const Value& schema, const std::string& pointer,
             const std::string& name) {
    const Object* rules = schema.if_object();
    if (rules == nullptr) return;
    at_ = &value;
    pointer_ = pointer;
    subject_ = fmt::format("{} of {}", name, where_);
    if (!check_type(value, *rules) || !check_listed(value, *rules)) return;
    if (value.is_number()) check_number(value, *rules, name);
    if (const std::string* text = value.if_string())
      check_size(count_characters(*text), *rules, "minLength", "maxLength", "character");
    if (const Array* array = value.if_array()) {
      check_size(array->size(), *rules, "minItems", "maxItems", "item");
      check_items(*array, *rules, pointer, name);
    }
    if (const Object* object = value.if_object()) check_object(*object, *rules, pointer);
  }

 private:
  void add(std::string message, std::string hint = {}) {
    out_.push_back({pointer_, std::move(message), std::move(hint), at_->position});
  }

  bool check_type(const Value& value, const Object& rules) {
    const Value* type = rules.find("type");
    if (type == nullptr) return true;
    std::vector<std::string> words;
    const auto accepts = [&](const Value& t) {
      words.push_back(type_in_words(*t.if_string()));
      return has_type(value, *t.if_string());
    };
    const Array* several = type->if_array();
    const bool ok = several != nullptr ? std::any_of(several->begin(), several->end(), accepts)
                                       : accepts(*type);
    if (ok) return true;
    add(fmt::format("expected {} for {}, found {}", join_or(words), subject_, describe(value)));
    return false;
  }

  bool check_listed(const Value& value, const Object& rules) {
    Array allowed;
    if (const Value* list = rules.find("enum")) allowed = *list->if_array();
    if (const Value* only = rules.find("const")) allowed = {*only};
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end())
      return true;
    std::vector<std::string> shown;
    std::vector<std::string> names;
    for (const Value& v : allowed) {
      shown.push_back(abridged(v));
      if (const std::string* text = v.if_string()) names.push_back(*text);
    }
    const std::string* text = value.if_string();
    add(fmt::format("{} is not allowed for {}: expected {}", abridged(value), subject_,
                    join_or(shown)),
        text == nullptr ? nearest_hint(value, rules) : did_you_mean(*text, names));
    return false;
  }

  static std::string nearest_hint(const Value& value, const Object& rules) {
    const std::optional<Value> nearest = nearest_allowed(value, rules);
    return nearest ? fmt::format("the nearest that is allowed is {}", dump(*nearest)) : "";
  }

  void check_number(const Value& value, const Object& rules, const std::string& name) {
    const std::size_t before = out_.size();
    check_limits(value, rules, name);
    if (out_.size() == before) return;
    // An end that is the nearest itself has just been named.
    const std::optional<Value> nearest = nearest_allowed(value, rules);
    for (const char* end : {"minimum", "maximum"})
      if (const Value* v = rules.find(end); v != nullptr && nearest && compare(*v, *nearest) == 0)
        return;
    out_.back().hint = nearest_hint(value, rules);
  }

  void check_limits(const Value& value, const Object& rules, const std::string& name) {
    const std::string shown = abridged(value);
    if (const Value* v = rules.find("minimum"); v != nullptr && compare(value, *v) < 0)
      add(fmt::format("{} is less than {}, the smallest {} of {}", shown, dump(*v), name, where_));
    if (const Value* v = rules.find("maximum"); v != nullptr && compare(value, *v) > 0)
      add(fmt::format("{} is more than {}, the largest {} of {}", shown, dump(*v), name, where_));
    if (const Value* v = rules.find("exclusiveMinimum"); v != nullptr && compare(value, *v) <= 0)
      add(fmt::format("{} must be more than {}, found {}", subject_, dump(*v), shown));
    if (const Value* v = rules.find("exclusiveMaximum"); v != nullptr && compare(value, *v) >= 0)
      add(fmt::format("{} must be less than {}, found {}", subject_, dump(*v), shown));
    if (const Value* v = rules.find("multipleOf"); v != nullptr && !is_multiple(value, *v))
      add(fmt::format("{} must be a multiple of {}, found {}", subject_, dump(*v), shown));
  }

  void check_size(std::uint64_t size, const Object& rules, const char* least, const char* most,
                  const char* unit) {
    const auto complain = [&](const char* which, std::uint64_t limit) {
      add(fmt::format("{} must have {} {} {}{}, found {}", subject_, which, limit, unit,
                      limit == 1 ? "" : "s", size));
    };
    std::uint64_t limit = 0;
    const Value* low = rules.find(least);
    if (low != nullptr && low->to_uint(&limit) && size < limit) complain("at least", limit);
    const Value* high = rules.find(most);
    if (high != nullptr && high->to_uint(&limit) && size > limit) complain("at most", limit);
  }

  void check_items(const Array& array, const Object& rules, const std::string& pointer,
                   const std::string& name) {
    const Value* items = rules.find("items");
    if (items == nullptr) return;
    for (std::size_t i = 0; i < array.size(); ++i)
      check(array[i], *items, fmt::format("{}/{}", pointer, i), fmt::format("{}[{}]", name, i));
  }

  void check_object(const Object& object, const Object& rules, const std::string& pointer) {
    const Value* properties = rules.find("properties");
    const Object none;
    const Object& known = properties == nullptr ? none : *properties->if_object();
    check_required(object, rules, known);
    const Value* extra = rules.find("additionalProperties");
    const bool open = extra != nullptr && *extra->if_bool();
    for (const Member& m : object) {
      const std::string at = pointer + json::pointer_step(m.key);
      if (const Value* schema = known.find(m.key)) {
        check(m.value, *schema, at, m.key);
      } else if (!open) {
        add_unknown(m, known, at);
      }
    }
  }

  // A required parameter with a default is there once the defaults are.
  static bool has_default(const Object& known, const std::string& key) {
    const Value* schema = known.find(key);
    const Object* rules = schema == nullptr ? nullptr : schema->if_object();
    return rules != nullptr && (rules->contains("default") || rules->contains("x-default-by-role"));
  }

  void check_required(const Object& object, const Object& rules, const Object& known) {
    const Value* required = rules.find("required");
    if (required == nullptr) return;
    for (const Value& key : *required->if_array()) {
      if (!object.contains(*key.if_string()) && !has_default(known, *key.if_string()))
        add(fmt::format("{} is missing; {} cannot do without it", json::quote(*key.if_string()),
                        where_));
    }
  }

  void add_unknown(const Member& m, const Object& known, const std::string& at) {
    std::vector<std::string> names;
    for (const Member& k : known) names.push_back(k.key);
    out_.push_back({at, fmt::format("unknown parameter {} of {}", quote_abridged(m.key), where_),
                    hint_for_unknown(m.key, names, "parameters"), m.position});
  }

  const std::string& where_;
  std::vector<SchemaProblem>& out_;
  const Value* at_ = nullptr;
  std::string pointer_;
  std::string subject_;
};

}  // namespace

std::vector<SchemaProblem> check_against_schema(const Value& value, const Value& schema,
                                                const std::string& where) {
  std::vector<SchemaProblem> problems;
  Checker(where, problems).check(value, schema, "", "the parameters");
  return problems;
}

}  // namespace detent
