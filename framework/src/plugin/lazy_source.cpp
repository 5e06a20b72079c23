// SPDX-License-Identifier: Apache-2.0
#include "plugin/lazy_source.hpp"

#include <utility>

#include "base/error.hpp"
#include "plugin/description_bytes.hpp"
#include "plugin/pins.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse(std::string reason) { throw Error(ErrorCode::plugin, std::move(reason)); }

}  // namespace

LazySource::LazySource(std::filesystem::path path, PluginCache::Entry entry,
                       PluginSurroundings around, PluginCacheFile cache)
    : path_(std::move(path)),
      entry_(std::move(entry)),
      around_(std::move(around)),
      cache_(std::move(cache)) {}

PluginCode LazySource::code(std::size_t index) const {
  const std::lock_guard lock(mutex_);
  if (loaded_ == nullptr) {
    try {
      loaded_ = load();
    } catch (...) {
      PluginCache cache(cache_);
      cache.forget(path_);
      cache.save();
      throw;
    }
  }
  return loaded_->code(index);
}

std::shared_ptr<const PluginSource> LazySource::load() const {
  const auto check = [&](const File&, const File::Identity& identity, std::string_view sha256) {
    if (identity != entry_.identity) refuse("was changed by somebody since it was listed");
    if (sha256 != entry_.sha256) refuse("has not the contents that the plugin cache tells of");
    return load_from(around_, sha256);
  };
  const PluginFile file = load_plugin_file(path_, around_, check);
  if (!file.refusal.empty()) refuse(file.refusal);
  if (description_bytes(file.plugins) != entry_.description) {
    refuse("describes its plugins otherwise than the plugin cache does");
  }
  return file.plugins.at(0).source;
}

}  // namespace detent
