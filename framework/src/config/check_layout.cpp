// SPDX-License-Identifier: Apache-2.0
#include "config/check_layout.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <string>

#include "config/message.hpp"

namespace detent {
namespace {

using json::Array;
using json::Member;
using json::Object;
using json::Value;

class LayoutChecker {
 public:
  explicit LayoutChecker(Problems& problems) : problems_(problems) {}

  void check_object(const Value& value, const Layout& layout, const std::string& pointer) {
    const Object* object = value.if_object();
    if (object == nullptr) return expected("an object", value, pointer);
    for (const Member& m : *object) {
      const std::string at = pointer + json::pointer_step(m.key);
      if (const Key* key = layout.find(m.key)) {
        check_key(m.value, *key, at);
      } else {
        add_unknown(m, layout, at);
      }
    }
    for (const Key& key : layout.keys) {
      if (key.required && !object->contains(key.name))
        problems_.add(pointer, value.position, fmt::format("\"{}\" is missing", key.name),
                      fmt::format("add \"{}\": {}", key.name, key.description));
    }
  }

 private:
  void expected(const std::string& what, const Value& found, const std::string& pointer) {
    problems_.add(pointer, found.position,
                  fmt::format("expected {}, found {}", what, describe(found)));
  }

  void add_unknown(const Member& m, const Layout& layout, const std::string& at) {
    std::vector<std::string> names;
    for (const Key& key : layout.keys) {
      if (key.name != "$schema") names.emplace_back(key.name);
    }
    problems_.add(at, m.position, fmt::format("unknown key {}", quote_abridged(m.key)),
                  hint_for_unknown(m.key, names, "allowed here"));
  }

  void check_key(const Value& value, const Key& key, const std::string& pointer) {
    switch (key.shape) {
      case Shape::text: return check_text(value, pointer);
      case Shape::integer: return check_integer(value, key, pointer);
      case Shape::number: return check_number(value, key, pointer);
      case Shape::boolean:
        if (value.if_bool() == nullptr) expected("true or false", value, pointer);
        return;
      case Shape::choice: return check_choice(value, key, pointer);
      case Shape::texts: return check_texts(value, pointer);
      case Shape::text_or_texts: return check_text_or_texts(value, pointer);
      case Shape::text_map: return check_text_map(value, pointer);
      case Shape::object: return check_object(value, *key.layout, pointer);
      case Shape::objects: return check_objects(value, key, pointer);
      case Shape::object_or_list:
        if (value.if_array() == nullptr) return check_object(value, *key.layout, pointer);
        return check_objects(value, key, pointer);
      case Shape::plugin: return check_plugin(value, pointer);
      case Shape::plugins: return check_plugins(value, pointer);
      case Shape::parameters:
        if (value.if_object() == nullptr) expected("an object", value, pointer);
        return;
    }
  }

  void check_text(const Value& value, const std::string& pointer) {
    const std::string* text = value.if_string();
    if (text == nullptr) return expected("a string", value, pointer);
    if (text->empty()) problems_.add(pointer, value.position, "an empty string means nothing here");
    // It would end the text for the system: what is checked would not be what is opened.
    if (text->find('\0') != std::string::npos)
      problems_.add(pointer, value.position, "a NUL character is not allowed");
  }

  void check_integer(const Value& value, const Key& key, const std::string& pointer) {
    std::int64_t number = 0;
    double wide = 0;
    if (!value.to_int(&number)) {
      if (!value.to_double(&wide) || std::abs(wide) < 0x1p63)
        return expected("an integer", value, pointer);
      number = wide < 0 ? std::numeric_limits<std::int64_t>::min()
                        : std::numeric_limits<std::int64_t>::max();
    }
    const std::string shown = wide == 0 ? std::to_string(number) : abridged(value);
    const auto add = [&](std::string message) {
      problems_.add(pointer, value.position, std::move(message));
    };
    if (key.minimum == key.maximum && number != key.minimum) {
      add(fmt::format("{} {} is not known; this program reads {}", key.name, shown, key.minimum));
    } else if (number < key.minimum || (wide < 0 && number == key.minimum)) {
      add(fmt::format("{} is less than {}, the smallest allowed", shown, key.minimum));
    } else if (number > key.maximum || (wide > 0 && number == key.maximum)) {
      add(fmt::format("{} is more than {}, the largest allowed", shown, key.maximum));
    }
  }

  void check_number(const Value& value, const Key& key, const std::string& pointer) {
    double number = 0;
    if (!value.to_double(&number)) return expected("a number", value, pointer);
    const auto add = [&](std::string message) {
      problems_.add(pointer, value.position, std::move(message));
    };
    if (number < static_cast<double>(key.minimum))
      add(fmt::format("{} is less than {}, the smallest allowed", abridged(value), key.minimum));
    if (number > static_cast<double>(key.maximum))
      add(fmt::format("{} is more than {}, the largest allowed", abridged(value), key.maximum));
  }

  void check_choice(const Value& value, const Key& key, const std::string& pointer) {
    std::vector<std::string> quoted;
    std::vector<std::string> names;
    for (const std::string_view choice : key.choices) {
      names.emplace_back(choice);
      quoted.push_back(json::quote(choice));
    }
    const std::string* text = value.if_string();
    if (text == nullptr) return expected(join_or(quoted), value, pointer);
    if (std::find(names.begin(), names.end(), *text) == names.end())
      problems_.add(pointer, value.position,
                    fmt::format("{} is not one of {}", abridged(value), join_or(quoted)),
                    did_you_mean(*text, names));
  }

  void check_texts(const Value& value, const std::string& pointer) {
    const Array* array = value.if_array();
    if (array == nullptr) return expected("a list of strings", value, pointer);
    for (std::size_t i = 0; i < array->size(); ++i)
      check_text((*array)[i], fmt::format("{}/{}", pointer, i));
  }

  void check_text_or_texts(const Value& value, const std::string& pointer) {
    if (value.if_string() != nullptr) return check_text(value, pointer);
    if (value.if_array() == nullptr)
      return expected("a string or a list of strings", value, pointer);
    if (value.if_array()->empty())
      problems_.add(pointer, value.position, "an empty list means nothing here");
    check_texts(value, pointer);
  }

  void check_text_map(const Value& value, const std::string& pointer) {
    const Object* object = value.if_object();
    if (object == nullptr) return expected("an object of strings", value, pointer);
    for (const Member& m : *object) check_text(m.value, pointer + json::pointer_step(m.key));
  }

  void check_objects(const Value& value, const Key& key, const std::string& pointer) {
    const Array* array = value.if_array();
    if (array == nullptr) return expected("a list of objects", value, pointer);
    if (array->empty() && (key.nonempty || key.shape == Shape::object_or_list))
      problems_.add(pointer, value.position, fmt::format("{} cannot be empty", key.name));
    for (std::size_t i = 0; i < array->size(); ++i)
      check_object((*array)[i], *key.layout, fmt::format("{}/{}", pointer, i));
  }

  void check_plugin(const Value& value, const std::string& pointer) {
    if (value.if_string() != nullptr) return check_text(value, pointer);
    if (value.if_object() != nullptr) return check_object(value, plugin_layout(), pointer);
    expected("the name of a plugin or an object with \"id\" and \"params\"", value, pointer);
  }

  void check_plugins(const Value& value, const std::string& pointer) {
    const Array* array = value.if_array();
    if (array == nullptr) return expected("a list of plugins", value, pointer);
    for (std::size_t i = 0; i < array->size(); ++i)
      check_plugin((*array)[i], fmt::format("{}/{}", pointer, i));
  }

  Problems& problems_;
};

}  // namespace

void check_layout(const Value& value, const Layout& layout, const std::string& pointer,
                  Problems& problems) {
  LayoutChecker(problems).check_object(value, layout, pointer);
}

}  // namespace detent
