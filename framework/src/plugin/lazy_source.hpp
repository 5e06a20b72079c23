// SPDX-License-Identifier: Apache-2.0
// LazySource: the code of a library that was listed from a cache, loaded when it is first used.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>

#include "plugin/plugin_cache.hpp"
#include "plugin/plugin_file.hpp"

namespace detent {

// A cache says nothing that is not looked at again here: the library is loaded only when the file
// is the one that was listed and has the hash that was listed, and used only when it describes
// itself in the same words. Otherwise the cache forgets it.
class LazySource : public PluginSource {
 public:
  LazySource(std::filesystem::path path, PluginCache::Entry entry, PluginSurroundings around,
             PluginCacheFile cache);
  PluginCode code(std::size_t index) const override;

 private:
  std::shared_ptr<const PluginSource> load() const;

  std::filesystem::path path_;
  PluginCache::Entry entry_;
  PluginSurroundings around_;
  PluginCacheFile cache_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const PluginSource> loaded_;
};

}  // namespace detent
