// SPDX-License-Identifier: Apache-2.0
// PluginCache: what the libraries of earlier scans said of themselves, so that they need not be
// loaded to be listed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/file.hpp"

namespace detent {

struct PluginCacheFile {
  std::filesystem::path path;  // "": no cache
  // A file that was written to so shortly before it was looked at may be written to again without
  // a change of its times.
  std::int64_t settled_ns = 2'000'000'000;
};

// Of this user and version: $DETENT_CACHE_DIR, $XDG_CACHE_HOME/detent or ~/.cache/detent. None when
// DETENT_CACHE_DIR is set and empty, when DETENT_NO_CACHE is set and not empty, or in a process
// with raised privileges.
PluginCacheFile plugin_cache_file();

// A file that is missing, damaged, somebody else's or another version's is an empty cache; one that
// cannot be written is none. Neither is an error. Processes may share it: it is replaced as a
// whole, and what one of two forgets of the other's is found again.
//
// What it says is believed of how plugins are listed, never of the code that runs: see LazySource.
class PluginCache {
 public:
  struct Entry {
    File::Identity identity;
    std::string sha256;
    std::string description;  // see description_bytes.hpp
  };

  explicit PluginCache(PluginCacheFile file);

  // nullptr when nothing is known of the file, or of an earlier state of it.
  const Entry* find(const std::filesystem::path& library, const File::Identity& identity);
  // Nothing, when the file had changed too shortly before.
  void keep(const std::filesystem::path& library, Entry entry);
  void forget(const std::filesystem::path& library);
  // Writes what changed; what is known of libraries that are gone is dropped then.
  void save() noexcept;

 private:
  struct Known {
    Entry entry;
    bool seen = false;  // in this scan
  };
  void read();
  void read_entries(std::string_view bytes);
  void drop_the_dead();
  std::string bytes() const;
  void replace(std::string_view bytes) const;

  PluginCacheFile file_;
  std::map<std::string, Known, std::less<>> entries_;  // by path
  bool changed_ = false;
};

}  // namespace detent
