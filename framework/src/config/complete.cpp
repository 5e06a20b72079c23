// SPDX-License-Identifier: Apache-2.0
#include "config/complete.hpp"

#include "json/parse.hpp"

namespace detent {
namespace {

using json::Array;
using json::Object;
using json::Value;

Value default_of(const Key& key) {
  Value value = json::parse(key.default_json);
  value.position = {};
  return value;
}

Value complete_value(const Value& value, const Key& key) {
  if (key.layout == nullptr) return value;
  const Array* array = value.if_array();
  if (array == nullptr) return complete_document(value, *key.layout);
  Array items;
  for (const Value& item : *array) items.push_back(complete_document(item, *key.layout));
  Value completed(std::move(items));
  completed.position = value.position;
  return completed;
}

}  // namespace

Value complete_document(const Value& value, const Layout& layout) {
  const Object* given = value.if_object();
  if (given == nullptr) return value;
  Object completed;
  for (const Key& key : layout.keys) {
    if (const Value* v = given->find(key.name)) {
      completed.set(key.name, complete_value(*v, key));
    } else if (!key.default_json.empty()) {
      completed.set(key.name, complete_value(default_of(key), key));
    }
  }
  Value result(std::move(completed));
  result.position = value.position;
  return result;
}

}  // namespace detent
