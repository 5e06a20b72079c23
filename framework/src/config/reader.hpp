// SPDX-License-Identifier: Apache-2.0
// Cursor: a place in a document that check_layout has looked at, read without fear.
//
// What is absent or has another type than asked for reads as nothing: its mistake is known already.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/problems.hpp"
#include "json/value.hpp"

namespace detent {

class Cursor {
 public:
  Cursor(const json::Value* value, std::string pointer, Problems& problems)
      : value_(value), pointer_(std::move(pointer)), problems_(&problems) {}

  explicit operator bool() const { return value_ != nullptr; }
  const std::string& pointer() const { return pointer_; }
  json::Position position() const {
    return value_ == nullptr ? json::Position{} : value_->position;
  }

  Cursor operator[](std::string_view key) const;  // a member; nothing when there is none
  std::vector<Cursor> items() const;              // of a list
  std::vector<Cursor> one_or_items() const;       // a list's, or the value itself
  std::vector<std::pair<std::string, Cursor>> members() const;  // of an object

  bool is_string() const { return value_ != nullptr && value_->if_string() != nullptr; }
  bool is_object() const { return value_ != nullptr && value_->if_object() != nullptr; }
  std::string text() const;  // "" for none
  std::optional<std::int64_t> integer() const;
  std::optional<double> number() const;
  bool is_true() const;
  const json::Object& object() const;  // empty for none

  bool has_problem() const { return problems_->any_inside(pointer_); }  // here or deeper
  void problem(std::string message, std::string hint = {}) const;

 private:
  const json::Value* value_;
  std::string pointer_;
  Problems* problems_;
};

// A plugin by its name or as {"id", "params"}.
PluginUse read_plugin(const Cursor& at);

// Names of layers: globs and expressions that compile.
std::vector<NamePattern> read_patterns(const Cursor& at);

std::vector<Rule> read_rules(const Cursor& at);

}  // namespace detent
