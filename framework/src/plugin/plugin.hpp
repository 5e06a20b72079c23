// SPDX-License-Identifier: Apache-2.0
// Plugin: one descriptor of a library, checked, in the host's own types, and the way to its code.
#pragma once
#include <algorithm>
#include <cstdint>
#include <detent/abi.h>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/value.hpp"

namespace detent {

enum class PluginKind : std::uint32_t {
  observer = DETENT_KIND_OBSERVER,
  quantizer = DETENT_KIND_QUANTIZER,
  serializer = DETENT_KIND_SERIALIZER,
  validator = DETENT_KIND_VALIDATOR,
};
const char* to_string(PluginKind kind);

// Is it among what a plugin provides or requires?
inline bool lists(const std::vector<std::string>& ids, std::string_view id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// "stat:...", among what a plugin provides or requires.
inline bool is_statistic(std::string_view id) { return id.substr(0, 5) == "stat:"; }

class Library;  // the handle; never closed while the process lives

struct PluginCode {
  std::shared_ptr<const Library> library;
  const void* vtbl = nullptr;  // detent_<kind>_vtbl
};

// One library's code: loaded when it was scanned, or when it is asked for.
//
// Threads  any
class PluginSource {
 public:
  virtual ~PluginSource() = default;
  // Of the index-th plugin of the library.
  //
  // Errors  Error{plugin} with one reason that does not name the path
  virtual PluginCode code(std::size_t index) const = 0;
  // What the code is kept in while it runs: "process+landlock+seccomp"; "none": this very process.
  virtual std::string isolation() const { return "none"; }
};

struct Plugin {
  PluginKind kind;
  std::string id;
  std::string version;
  std::string name;
  std::string description;
  std::string vendor;
  std::string license;
  json::Value params_schema;  // an object; its keywords are ones that config/schema.hpp knows
  json::Value capabilities;   // an object, empty when none are declared; see abi.h
  std::vector<std::string> aliases;
  std::vector<std::string> provides;
  std::vector<std::string> requirements;
  std::uint64_t flags = 0;
  std::uint32_t state_version = 0;

  std::filesystem::path path;
  std::string sha256;  // hexadecimal, of the file
  std::string build;   // of the library
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;
  bool builtin = false;
  std::string origin;       // of its folder, see SearchFolder
  std::string shadowed_by;  // path of the library whose plugin of this id is used instead; or empty

  std::shared_ptr<const PluginSource> source;
  std::size_t index = 0;  // in its library

  // Loads the library, where that was not needed yet.
  //
  // Errors  Error{plugin} when the file is not any more what it was when it was listed, or cannot
  // be
  //         loaded
  PluginCode code() const;
};

// "observer "acme.int3" cannot be used: PATH: REASON"
std::string unusable_plugin(PluginKind kind, std::string_view name,
                            const std::filesystem::path& path, const std::string& reason);

}  // namespace detent
