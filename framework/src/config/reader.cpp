// SPDX-License-Identifier: Apache-2.0
#include "config/reader.hpp"

#include <fmt/format.h>
#include <stdexcept>

#include "config/message.hpp"
#include "config/pattern.hpp"

namespace detent {

using json::Array;
using json::Member;
using json::Object;

Cursor Cursor::operator[](std::string_view key) const {
  return {object().find(key), pointer_ + json::pointer_step(key), *problems_};
}

std::vector<Cursor> Cursor::items() const {
  std::vector<Cursor> items;
  const Array* array = value_ == nullptr ? nullptr : value_->if_array();
  if (array == nullptr) return items;
  for (std::size_t i = 0; i < array->size(); ++i)
    items.emplace_back(&(*array)[i], fmt::format("{}/{}", pointer_, i), *problems_);
  return items;
}

std::vector<Cursor> Cursor::one_or_items() const {
  if (value_ == nullptr || value_->if_array() != nullptr) return items();
  return {*this};
}

std::vector<std::pair<std::string, Cursor>> Cursor::members() const {
  std::vector<std::pair<std::string, Cursor>> members;
  for (const Member& m : object())
    members.emplace_back(m.key, Cursor(&m.value, pointer_ + json::pointer_step(m.key), *problems_));
  return members;
}

std::string Cursor::text() const { return is_string() ? *value_->if_string() : std::string(); }

std::optional<std::int64_t> Cursor::integer() const {
  std::int64_t number = 0;
  if (value_ == nullptr || !value_->to_int(&number)) return std::nullopt;
  return number;
}

std::optional<double> Cursor::number() const {
  double number = 0;
  if (value_ == nullptr || !value_->to_double(&number)) return std::nullopt;
  return number;
}

bool Cursor::is_true() const {
  return value_ != nullptr && value_->if_bool() != nullptr && *value_->if_bool();
}

const Object& Cursor::object() const {
  static const Object none;
  const Object* object = value_ == nullptr ? nullptr : value_->if_object();
  return object == nullptr ? none : *object;
}

void Cursor::problem(std::string message, std::string hint) const {
  problems_->add(pointer_, position(), std::move(message), std::move(hint));
}

PluginUse read_plugin(const Cursor& at) {
  PluginUse use;
  const Cursor name = at.is_string() ? at : at["id"];
  const Cursor params = at["params"];
  use.name = name.text();
  use.params = params.object();
  use.isolation = at["isolation"].text();
  use.pointer = at.pointer();
  use.name_pointer = name.pointer();
  use.params_pointer = params.pointer();
  use.position = name.position();
  return use;
}

std::vector<NamePattern> read_patterns(const Cursor& at) {
  std::vector<NamePattern> patterns;
  for (const Cursor& item : at.one_or_items()) {
    if (!item.is_string()) continue;
    try {
      patterns.push_back({Pattern(item.text()).text(), item.position(), item.pointer()});
    } catch (const std::invalid_argument& e) {
      item.problem(fmt::format("{} is not a usable regular expression: {}",
                               quote_abridged(item.text()), e.what()),
                   "without re: it is a glob, where * is any text and ? one character");
    }
  }
  return patterns;
}

}  // namespace detent
