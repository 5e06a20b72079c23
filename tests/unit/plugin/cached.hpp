// SPDX-License-Identifier: Apache-2.0
// A folder of plugins and a cache of its own.
#pragma once
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace detent::test {

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// In the place of the old one: what is mapped of that stays as it is.
inline void replace(const std::filesystem::path& file, const std::string& bytes) {
  const std::filesystem::path beside = file.string() + ".new";
  std::ofstream(beside, std::ios::binary) << bytes;
  std::filesystem::rename(beside, file);
}

inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos || from.size() != to.size()) throw std::runtime_error(from);
  return text.replace(at, to.size(), to);
}

struct CachedFolder {
  using PinList = std::vector<std::pair<std::string, std::string>>;

  TempFolder folder;
  TempFolder cache_folder;
  PluginCacheFile cache{cache_folder / "made" / "plugins.cache", 0};

  explicit CachedFolder(const std::string& scenario) {
    std::filesystem::copy(fixture_folder(scenario), folder.path(),
                          std::filesystem::copy_options::recursive);
  }
  Registry scan(const PinList& pins = {}) const {
    return Registry::scan({search(folder.path())}, pins, cache);
  }
  std::filesystem::path file(const std::string& name = "nothing") const {
    return folder / (name + ".detent.so");
  }
  // What the cache tells of a file, changed.
  template <class Change>
  void forge(const std::string& name, Change change) const {
    const auto identity = File::identity_of(file(name));
    PluginCache forged(cache);
    PluginCache::Entry entry = *forged.find(file(name), *identity);
    change(entry);
    forged.keep(file(name), entry);
    forged.save();
  }
};

struct Work {
  std::uint64_t hashed, loaded, from_cache;
  bool operator==(const Work&) const = default;
};
inline Work work_of(const Registry& registry) {
  const PluginWork& work = registry.work();
  return {work.hashed, work.loaded, work.from_cache};
}

}  // namespace detent::test

namespace Catch {
template <>
struct StringMaker<detent::test::Work> {
  static std::string convert(const detent::test::Work& w) {
    return std::to_string(w.hashed) + " hashed, " + std::to_string(w.loaded) + " loaded, " +
           std::to_string(w.from_cache) + " from the cache";
  }
};
}  // namespace Catch
