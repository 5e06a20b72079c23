// SPDX-License-Identifier: Apache-2.0
#include "json/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace detent::json {

Object::Object() = default;
Object::Object(const Object&) = default;
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object&) = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Object::Object(std::initializer_list<std::pair<std::string_view, Value>> members) {
  for (const auto& [key, value] : members) append({std::string(key), {}, value});
}

const Value* Object::find(std::string_view key) const {
  const auto it =
      std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key == key; });
  return it == members_.end() ? nullptr : &it->value;
}

Value* Object::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

Value& Object::set(std::string_view key, Value value) {
  if (Value* old = find(key)) return *old = std::move(value);
  append({std::string(key), {}, std::move(value)});
  return members_.back().value;
}

void Object::append(Member member) { members_.push_back(std::move(member)); }

bool Object::erase(std::string_view key) {
  return std::erase_if(members_, [&](const Member& m) { return m.key == key; }) != 0;
}

std::size_t Object::size() const { return members_.size(); }
std::vector<Member>::const_iterator Object::begin() const { return members_.begin(); }
std::vector<Member>::const_iterator Object::end() const { return members_.end(); }

Value::Value(std::uint64_t v) {
  if (v <= static_cast<std::uint64_t>(INT64_MAX)) {
    data_ = static_cast<std::int64_t>(v);
  } else {
    data_ = v;
  }
}

bool Value::is_number() const {
  return std::holds_alternative<std::int64_t>(data_) ||
         std::holds_alternative<std::uint64_t>(data_) || std::holds_alternative<double>(data_);
}

bool Value::to_int(std::int64_t* out) const {
  if (const auto* i = std::get_if<std::int64_t>(&data_)) {
    *out = *i;
    return true;
  }
  const auto* d = std::get_if<double>(&data_);
  if (d == nullptr || *d != std::floor(*d) || !(*d >= -0x1p63 && *d < 0x1p63)) return false;
  *out = static_cast<std::int64_t>(*d);
  return true;
}

bool Value::to_uint(std::uint64_t* out) const {
  if (const auto* u = std::get_if<std::uint64_t>(&data_)) {
    *out = *u;
    return true;
  }
  std::int64_t i = 0;
  if (!to_int(&i) || i < 0) return false;
  *out = static_cast<std::uint64_t>(i);
  return true;
}

bool Value::to_double(double* out) const {
  if (const auto* d = std::get_if<double>(&data_)) {
    *out = *d;
  } else if (const auto* i = std::get_if<std::int64_t>(&data_)) {
    *out = static_cast<double>(*i);
  } else if (const auto* u = std::get_if<std::uint64_t>(&data_)) {
    *out = static_cast<double>(*u);
  } else {
    return false;
  }
  return true;
}

const char* Value::kind() const {
  static constexpr const char* kNames[] = {"null",     "a boolean", "an integer", "an integer",
                                           "a number", "a string",  "an array",   "an object"};
  return kNames[data_.index()];
}

namespace {
const Value* step(const Value& from, std::string_view token) {
  if (const Array* array = from.if_array()) {
    std::size_t i = 0;
    const auto [end, ec] = std::from_chars(token.data(), token.data() + token.size(), i);
    const bool canonical = token.size() == 1 || (!token.empty() && token[0] != '0');
    if (ec != std::errc() || end != token.data() + token.size() || !canonical) return nullptr;
    return i < array->size() ? &(*array)[i] : nullptr;
  }
  const Object* object = from.if_object();
  if (object == nullptr) return nullptr;
  std::string key;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool escaped = token[i] == '~' && i + 1 < token.size();
    key += escaped ? (token[++i] == '1' ? '/' : '~') : token[i];
  }
  return object->find(key);
}
}  // namespace

const Value* Value::at_pointer(std::string_view pointer) const {
  const Value* at = this;
  while (at != nullptr && !pointer.empty()) {
    if (pointer[0] != '/') return nullptr;
    const std::size_t end = pointer.find('/', 1);
    at = step(*at, pointer.substr(1, end == std::string_view::npos ? end : end - 1));
    pointer = end == std::string_view::npos ? "" : pointer.substr(end);
  }
  return at;
}

namespace {
// Numbers of two kinds: as integers when both are whole, for a double holds only 53 bits of them.
bool same_number(const Value& a, const Value& b) {
  std::int64_t i = 0;
  std::int64_t j = 0;
  const bool whole = a.to_int(&i);
  if (whole || b.to_int(&j)) return whole && b.to_int(&j) && i == j;
  std::uint64_t u = 0;  // above the range of int64_t; 2^64 and more as a double equals none
  double d = 0;
  const bool a_is_integer = a.to_uint(&u);
  if (!(a_is_integer || b.to_uint(&u)) || !(a_is_integer ? b : a).to_double(&d)) return false;
  return d >= 0x1p63 && d < 0x1p64 && static_cast<std::uint64_t>(d) == u;
}
}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number() && a.data_.index() != b.data_.index())
    return same_number(a, b);
  if (const Object* x = a.if_object()) {
    const Object* y = b.if_object();
    if (y == nullptr || x->size() != y->size()) return false;
    return std::all_of(x->begin(), x->end(), [&](const Member& m) {
      const Value* other = y->find(m.key);
      return other != nullptr && m.value == *other;
    });
  }
  if (const Array* x = a.if_array()) {
    const Array* y = b.if_array();
    return y != nullptr && std::equal(x->begin(), x->end(), y->begin(), y->end());
  }
  if (a.data_.index() != b.data_.index()) return false;
  if (const auto* s = a.if_string()) return *s == *b.if_string();
  if (const auto* f = a.if_bool()) return *f == *b.if_bool();
  if (const auto* i = std::get_if<std::int64_t>(&a.data_))
    return *i == std::get<std::int64_t>(b.data_);
  if (const auto* u = std::get_if<std::uint64_t>(&a.data_))
    return *u == std::get<std::uint64_t>(b.data_);
  if (const auto* d = std::get_if<double>(&a.data_)) return *d == std::get<double>(b.data_);
  return true;
}

Value number(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  return v;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string pointer_step(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

namespace {
std::string format_double(double v) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, v).ptr;
  std::string out(text, end);
  if (out.find_first_of(".eEn") == std::string::npos) out += ".0";
  return out;
}

void newline(std::string& out, int indent, int depth) {
  if (indent == 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
}

void write(std::string& out, const Value& v, int indent, int depth);

void write_array(std::string& out, const Array& array, int indent, int depth) {
  out += '[';
  const char* separator = "";
  for (const Value& item : array) {
    out += separator;
    separator = ",";
    newline(out, indent, depth + 1);
    write(out, item, indent, depth + 1);
  }
  if (!array.empty()) newline(out, indent, depth);
  out += ']';
}

void write_object(std::string& out, const Object& object, int indent, int depth) {
  out += '{';
  const char* separator = "";
  for (const Member& m : object) {
    out += separator;
    separator = ",";
    newline(out, indent, depth + 1);
    out += quote(m.key) + (indent == 0 ? ":" : ": ");
    write(out, m.value, indent, depth + 1);
  }
  if (!object.empty()) newline(out, indent, depth);
  out += '}';
}

void write(std::string& out, const Value& v, int indent, int depth) {
  if (const Array* array = v.if_array()) {
    write_array(out, *array, indent, depth);
  } else if (const Object* object = v.if_object()) {
    write_object(out, *object, indent, depth);
  } else {
    out += dump(v, 0);
  }
}
}  // namespace

std::string dump(const Value& value, int indent) {
  if (value.if_array() != nullptr || value.if_object() != nullptr) {
    std::string out;
    write(out, value, indent, 0);
    return out;
  }
  if (const auto* s = value.if_string()) return quote(*s);
  if (const auto* b = value.if_bool()) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value.data_)) return std::to_string(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value.data_)) return std::to_string(*u);
  if (const auto* d = std::get_if<double>(&value.data_)) return format_double(*d);
  return "null";
}

}  // namespace detent::json
