// SPDX-License-Identifier: Apache-2.0
// Layout: which keys the pipeline file has, of what shape, with which defaults.
//
// One table. The loader checks a document against it, the effective configuration takes its
// defaults from it, and the JSON Schema is written from it, so the three cannot differ.
#pragma once
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "plugin/plugin.hpp"

namespace detent {

enum class Shape {
  text,            // a string, not empty
  integer,         // minimum..maximum
  number,          // the same, fractions too
  boolean,         //
  choice,          // one of `choices`
  texts,           // a list of strings
  text_or_texts,   // one string, or a list of at least one
  text_map,        // an object of strings under any key
  object,          // of `layout`
  objects,         // a list of those
  object_or_list,  // one, or a list of at least one
  plugin,          // of `plugin_kind`: a name, or {"id", "params"}
  plugins,         // a list of those
  parameters,      // an object for a plugin to judge
};

struct Layout;

struct Key {
  std::string_view name;
  Shape shape;
  std::string_view title;
  std::string_view description;
  bool required = false;
  bool nonempty = false;               // lists: at least one
  std::string_view default_json = {};  // empty: none
  std::int64_t minimum = std::numeric_limits<std::int64_t>::min();
  std::int64_t maximum = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string_view> choices = {};
  const Layout* layout = nullptr;
  PluginKind plugin_kind = PluginKind::observer;
};

struct Layout {
  std::string_view name;  // of the definition in the JSON Schema
  std::string_view description;
  std::vector<Key> keys;

  const Key* find(std::string_view key) const;
};

const Layout& pipeline_layout();

// What a pipeline says of a model that is in memory already: the same keys without those that name
// files to read or to write.
const Layout& rules_layout();

// Of {"id", "params"}.
const Layout& plugin_layout();

// Of "weight". Its "params" are those of the quantizer beside it.
const Layout& scheme_layout();

// Of "activation": the same, and which side of an operator is meant.
const Layout& activation_layout();

}  // namespace detent
