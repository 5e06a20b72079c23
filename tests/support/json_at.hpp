// SPDX-License-Identifier: Apache-2.0
// Short ways into a JSON document; a test that asks for what is not there fails with the pointer.
#pragma once
#include <stdexcept>
#include <string>

#include "json/parse.hpp"

namespace detent::test {

inline const json::Value& at(const json::Value& v, const std::string& pointer) {
  const json::Value* found = v.at_pointer(pointer);
  if (found == nullptr) throw std::runtime_error("no " + pointer + " in " + json::dump(v));
  return *found;
}

inline std::string text(const json::Value& v, const std::string& pointer) {
  const std::string* s = at(v, pointer).if_string();
  if (s == nullptr) throw std::runtime_error(pointer + " is no string");
  return *s;
}

inline double number(const json::Value& v, const std::string& pointer) {
  double n = 0;
  if (!at(v, pointer).to_double(&n)) throw std::runtime_error(pointer + " is no number");
  return n;
}

inline const json::Array& list(const json::Value& v, const std::string& pointer) {
  const json::Array* a = at(v, pointer).if_array();
  if (a == nullptr) throw std::runtime_error(pointer + " is no list");
  return *a;
}

// The item of a list of objects whose `key` is `value`.
inline const json::Value& item(const json::Value& v, const std::string& pointer,
                               const std::string& key, const std::string& value) {
  for (const json::Value& i : list(v, pointer))
    if (text(i, "/" + key) == value) return i;
  throw std::runtime_error("no " + value + " in " + pointer);
}

}  // namespace detent::test
