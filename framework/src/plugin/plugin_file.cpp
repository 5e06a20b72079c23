// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_file.hpp"

#include <map>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/elf_check.hpp"
#include "plugin/fp_mode.hpp"
#include "plugin/sealed_copy.hpp"
#include "plugin/sha256.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

// The loader runs constructors once in a process: of a library that is loaded already, only this
// tells what it did then.
bool changed_mode(const detent_library& library, bool now) {
  static std::mutex mutex;
  static auto& known = *new std::set<const detent_library*>;
  const std::lock_guard lock(mutex);
  if (now) known.insert(&library);
  return known.contains(&library);
}

// The loader knows a library by its path: of one that was loaded and then replaced it would give
// the old code again, which is not what was hashed.
class LoadedFiles {
 public:
  static void refuse_replaced(const fs::path& path, const File::Identity& identity) {
    const std::lock_guard lock(mutex());
    const auto it = files().find(path);
    if (it == files().end() || it->second == content(identity)) return;
    throw Error(ErrorCode::plugin, "was replaced after this process had loaded it: start again");
  }
  static void add(const fs::path& path, const File::Identity& identity) {
    const std::lock_guard lock(mutex());
    files().emplace(path, content(identity));
  }

 private:
  static File::Identity content(File::Identity identity) {
    identity.changed_ns = 0;  // whose rights were changed is the same file
    return identity;
  }
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static std::map<fs::path, File::Identity>& files() {
    static auto& instance = *new std::map<fs::path, File::Identity>;
    return instance;
  }
};

// from: empty when it is the path itself.
std::shared_ptr<const Library> load_library(const fs::path& path, const fs::path& from,
                                            const PluginSurroundings& around,
                                            const File::Identity& identity) {
  if (from.empty()) LoadedFiles::refuse_replaced(path, identity);
  ++around.work->loaded;
  std::shared_ptr<const Library> library = Library::load(path, around.services, from);
  if (from.empty()) LoadedFiles::add(path, identity);
  return library;
}

void load_guarded(const fs::path& path, const fs::path& from, const PluginSurroundings& around,
                  PluginFile& out) {
  const FpMode mode;
  std::shared_ptr<const Library> library;
  try {
    library = load_library(path, from, around, out.identity);
    out.plugins = read_descriptors(library);
  } catch (...) {
    mode.restore();
    throw;
  }
  if (changed_mode(library->c(), !mode.restore())) {
    out.refusal = "changes the floating-point mode of the process when loaded";
  }
}

}  // namespace

PluginFile load_plugin_file(const fs::path& path, const PluginSurroundings& around,
                            const PluginFileCheck& check) {
  const File file = File::open_to_read(path);
  PluginFile out;
  out.identity = file.identity();
  out.sha256 = sha256_of(file);
  ++around.work->hashed;
  const LoadFrom where = check(file, out.identity, out.sha256);
  check_elf(file);
  const fs::path from = where == LoadFrom::sealed_copy ? sealed_copy(file, out.sha256) : fs::path();
  load_guarded(path, from, around, out);
  if (File::open_to_read(path).identity() != out.identity) {
    throw Error(ErrorCode::plugin, "was changed by somebody while it was being loaded");
  }
  for (Plugin& plugin : out.plugins) plugin.sha256 = out.sha256;
  return out;
}

}  // namespace detent
