// SPDX-License-Identifier: Apache-2.0
// read_descriptors: what a library says of its plugins, checked and in the host's own types.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/library.hpp"
#include "plugin/plugin.hpp"

namespace detent {

// Calls plugin_count and plugin_at, nothing else. Everything of Plugin is filled in but sha256,
// origin, builtin and shadowed_by. One bad plugin makes the whole library bad.
//
// Errors  Error{plugin} with one reason that names the plugin but not the path
std::vector<Plugin> read_descriptors(const std::shared_ptr<const Library>& library);

inline constexpr std::uint64_t kMaxPluginsOfFile = 1024;
inline constexpr std::size_t kMaxListEntries = 256;  // of aliases and the like

// The texts, lists and numbers of one descriptor, checked; its function table is not looked at.
//
// Errors  Error{plugin} with one reason that names the plugin, or `index` while it has no name
Plugin describe(const detent_plugin& c, std::uint64_t index);
// Appends, with its index. Error{plugin} when one of its kind and id is there already.
void add_described(std::vector<Plugin>& plugins, Plugin plugin);
// The build text of a library; "" for NULL.
std::string checked_build(const char* text);

// Error{plugin} unless the table is there, is long enough and has every function that its kind
// needs.
void check_vtbl(const detent_plugin& plugin);

// "1.2.3", "1.0.0-rc.1+build": https://semver.org, version 2.0.0.
bool is_semver(std::string_view text);

// A text of a plugin: NULL, longer than max_bytes or not UTF-8 is Error{plugin} naming `what`.
std::string checked_text(const char* text, const std::string& what, std::size_t max_bytes);

}  // namespace detent
