// SPDX-License-Identifier: Apache-2.0
// json::Value: a JSON document that keeps the order of its members, exact numbers and positions.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace detent::json {

struct Position {
  int line = 0;    // 1-based; 0: not from a text
  int column = 0;  // 1-based, in characters
};

class Value;
struct Member;
using Array = std::vector<Value>;

// Members in the order of the text; keys are unique.
class Object {
 public:
  Object();
  Object(std::initializer_list<std::pair<std::string_view, Value>> members);
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  const Value* find(std::string_view key) const;  // linear; nullptr when absent
  Value* find(std::string_view key);
  Value& set(std::string_view key, Value value);  // replaces or appends
  void append(Member member);                     // the caller knows that the key is new
  bool erase(std::string_view key);
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::vector<Member>& members() { return members_; }
  const std::vector<Member>& members() const { return members_; }
  std::vector<Member>::const_iterator begin() const;
  std::vector<Member>::const_iterator end() const;

 private:
  std::vector<Member> members_;
};

// Integers are int64_t where they fit, uint64_t above; every other number is a double.
class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool v) : data_(v) {}
  Value(int v) : data_(std::int64_t{v}) {}
  Value(std::int64_t v) : data_(v) {}
  Value(std::uint64_t v);
  Value(double v) : data_(v) {}  // must be finite: see number()
  Value(const char* v) : data_(std::string(v)) {}
  Value(std::string_view v) : data_(std::string(v)) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}

  bool is_null() const { return data_.index() == 0; }
  const bool* if_bool() const { return std::get_if<bool>(&data_); }
  const std::string* if_string() const { return std::get_if<std::string>(&data_); }
  const Array* if_array() const { return std::get_if<Array>(&data_); }
  const Object* if_object() const { return std::get_if<Object>(&data_); }
  Array* if_array() { return std::get_if<Array>(&data_); }
  Object* if_object() { return std::get_if<Object>(&data_); }
  bool is_number() const;
  // True and *out set when the number is a whole one that T holds (2.0 counts, 2.5 and -1 as
  // uint64_t do not).
  bool to_int(std::int64_t* out) const;
  bool to_uint(std::uint64_t* out) const;
  bool to_double(double* out) const;

  // "null", "a boolean", "an integer", "a number", "a string", "an array", "an object"
  const char* kind() const;
  // Resolves a JSON Pointer (RFC 6901); nullptr when there is nothing.
  const Value* at_pointer(std::string_view pointer) const;

  Position position;

  friend bool operator==(const Value& a, const Value& b);  // positions do not count; 1 == 1.0

 private:
  friend std::string dump(const Value& value, int indent);
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      data_;
};

struct Member {
  std::string key;
  Position position;  // of the key
  Value value;
};

// A double as JSON: the strings "inf", "-inf" and "nan" for what JSON has no number for.
Value number(double v);

// The text of a value. indent 0: one line; otherwise that many spaces a level. Doubles are the
// shortest text that reads back as the same double.
std::string dump(const Value& value, int indent = 0);

// A key or text as a JSON string, quotes included.
std::string quote(std::string_view text);

// One step of a JSON Pointer: "/" + key with ~ and / escaped.
std::string pointer_step(std::string_view key);

}  // namespace detent::json
