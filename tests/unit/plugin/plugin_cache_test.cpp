// SPDX-License-Identifier: Apache-2.0
// The file that a cache is: found, read, damaged, written.
#include "plugin/plugin_cache.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cached.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

struct Files {
  TempFolder folder;
  PluginCacheFile cache{folder / "cache" / "plugins.cache", 0};
  fs::path library(const std::string& name) const {
    return folder.write(name, "contents of " + name);
  }
};

PluginCache::Entry entry_of(const fs::path& library, const std::string& description = "words") {
  return {*File::identity_of(library), std::string(64, '0'), description};
}

void keep(const PluginCacheFile& file, const fs::path& library) {
  PluginCache cache(file);
  cache.keep(library, entry_of(library));
  cache.save();
}

bool knows(const PluginCacheFile& file, const fs::path& library) {
  PluginCache cache(file);
  return cache.find(library, *File::identity_of(library)) != nullptr;
}

struct Environment {
  std::vector<const char*> names{"DETENT_CACHE_DIR", "DETENT_NO_CACHE", "XDG_CACHE_HOME", "HOME"};
  std::vector<std::pair<const char*, std::string>> before;
  Environment() {
    for (const char* name : names) {
      if (const char* value = std::getenv(name)) before.emplace_back(name, value);
      ::unsetenv(name);
    }
  }
  ~Environment() {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : before) ::setenv(name, value.c_str(), 1);
  }
};

}  // namespace

TEST_CASE("a cache gives back what was kept of a file in that state, and of no other") {
  const Files files;
  const fs::path a = files.library("a");
  const fs::path b = files.library("b");
  keep(files.cache, a);
  PluginCache cache(files.cache);
  const PluginCache::Entry* entry = cache.find(a, *File::identity_of(a));
  REQUIRE(entry != nullptr);
  CHECK(entry->description == "words");
  CHECK(entry->sha256 == std::string(64, '0'));
  CHECK(cache.find(b, *File::identity_of(b)) == nullptr);
  CHECK(cache.find(b, *File::identity_of(a)) == nullptr);
  const File::Identity now = *File::identity_of(a);
  for (std::uint64_t File::Identity::*field : {&File::Identity::device, &File::Identity::inode}) {
    File::Identity other = now;
    other.*field += 1;
    CHECK(cache.find(a, other) == nullptr);
  }
}

TEST_CASE("a write in place that keeps size and time is seen") {
  const Files files;
  const fs::path a = files.library("a");
  keep(files.cache, a);
  const fs::file_time_type before = fs::last_write_time(a);
  const File::Stamp stamp = File::identity_of(a)->stamp;
  ::usleep(20'000);  // several ticks of the clock that file systems use
  files.folder.write("a", "CONTENTS OF a");
  fs::last_write_time(a, before);
  CHECK(File::identity_of(a)->stamp == stamp);
  CHECK_FALSE(knows(files.cache, a));
}

TEST_CASE("a cache that is damaged anywhere is an empty one, and is written again") {
  const Files files;
  const fs::path a = files.library("a");
  keep(files.cache, a);
  const std::string whole = bytes_of(files.cache.path);
  REQUIRE(whole.size() > 100);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    replace(files.cache.path, damaged);
    CHECK_FALSE(knows(files.cache, a));
    replace(files.cache.path, whole.substr(0, i));
    CHECK_FALSE(knows(files.cache, a));
  }
  replace(files.cache.path, whole + "x");
  CHECK_FALSE(knows(files.cache, a));
  PluginCache(files.cache).save();
  CHECK(bytes_of(files.cache.path).size() < whole.size());
  keep(files.cache, a);
  CHECK(bytes_of(files.cache.path) == whole);
  CHECK(knows(files.cache, a));
}

TEST_CASE("a cache is for its owner alone, and leaves nothing beside itself") {
  const Files files;
  const fs::path a = files.library("a");
  keep(files.cache, a);
  CHECK((fs::status(files.cache.path).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK((fs::status(files.cache.path.parent_path()).permissions() & fs::perms::all) ==
        fs::perms::owner_all);
  CHECK(std::distance(fs::directory_iterator(files.cache.path.parent_path()), {}) == 1);
  ::chmod(files.cache.path.c_str(), 0620);
  CHECK_FALSE(knows(files.cache, a));  // the group could have written it
  ::chmod(files.cache.path.c_str(), 0600);
  CHECK(knows(files.cache, a));
}

TEST_CASE("a cache that cannot be written is no error") {
  const Files files;
  const fs::path a = files.library("a");
  const fs::path below_a_file = a / "folder" / "plugins.cache";
  keep({below_a_file, 0}, a);
  CHECK_FALSE(knows({below_a_file, 0}, a));
  fs::create_directories(files.cache.path);  // a folder in its place
  keep(files.cache, a);
  CHECK_FALSE(knows(files.cache, a));
  CHECK(std::distance(fs::directory_iterator(files.cache.path.parent_path()), {}) == 1);
  keep({{}, 0}, a);
  CHECK_FALSE(knows({{}, 0}, a));
  const TempFolder locked;
  fs::permissions(locked.path(), fs::perms::owner_read | fs::perms::owner_exec);
  keep({locked / "plugins.cache", 0}, a);
  if (::geteuid() != 0) CHECK_FALSE(knows({locked / "plugins.cache", 0}, a));
  fs::permissions(locked.path(), fs::perms::owner_all);
}

TEST_CASE("libraries of other folders stay in the cache until they are gone") {
  const Files files;
  const fs::path a = files.library("a");
  const fs::path b = files.library("b");
  const fs::path c = files.library("c");
  for (const fs::path& library : {a, b, c}) keep(files.cache, library);
  CHECK(knows(files.cache, a));
  const std::string three = bytes_of(files.cache.path);
  fs::remove(b);
  {
    PluginCache cache(files.cache);
    cache.forget(c);
    cache.save();
  }
  CHECK(knows(files.cache, a));
  CHECK_FALSE(knows(files.cache, c));
  CHECK(bytes_of(files.cache.path).find("/b") == std::string::npos);
  CHECK(three.find("/b") != std::string::npos);
}

TEST_CASE("a file that was changed less than two seconds ago, or in the future, is not kept") {
  const Files files;
  const fs::path a = files.library("a");
  PluginCacheFile careful = files.cache;
  careful.settled_ns = PluginCacheFile{}.settled_ns;
  CHECK(careful.settled_ns == 2'000'000'000);
  keep(careful, a);
  CHECK_FALSE(knows(careful, a));
  fs::last_write_time(a, fs::file_time_type::clock::now() + std::chrono::hours(1));
  keep(files.cache, a);
  CHECK_FALSE(knows(files.cache, a));
  PluginCache::Entry old = entry_of(a);
  old.identity.stamp.modified_ns = 0;
  old.identity.changed_ns = 0;
  PluginCache cache(careful);
  cache.keep(a, old);
  CHECK(cache.find(a, old.identity) != nullptr);
}

TEST_CASE("several processes may use one cache at once") {
  const Files files;
  std::vector<fs::path> libraries;
  for (int i = 0; i < 4; ++i) libraries.push_back(files.library("library" + std::to_string(i)));
  std::vector<pid_t> children;
  for (const fs::path& library : libraries) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child > 0) {
      children.push_back(child);
      continue;
    }
    for (int i = 0; i < 50; ++i) keep(files.cache, library);
    ::_exit(knows(files.cache, library) ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
  }
  // Whoever came last: what it knew is there, and nothing is half written.
  int known = 0;
  for (const fs::path& library : libraries) known += knows(files.cache, library) ? 1 : 0;
  CHECK(known >= 1);
  CHECK(std::distance(fs::directory_iterator(files.cache.path.parent_path()), {}) == 1);
}

TEST_CASE("the cache is the user's, and the environment moves it or turns it off") {
  const Environment cleared;
  const std::string name = std::string("plugins-") + DETENT_VERSION + ".cache";
  CHECK(plugin_cache_file().path.empty());
  ::setenv("HOME", "/home/somebody", 1);
  CHECK(plugin_cache_file().path == fs::path("/home/somebody/.cache/detent") / name);
  ::setenv("XDG_CACHE_HOME", "relative", 1);  // the specification: to be ignored
  CHECK(plugin_cache_file().path == fs::path("/home/somebody/.cache/detent") / name);
  ::setenv("XDG_CACHE_HOME", "/caches", 1);
  CHECK(plugin_cache_file().path == fs::path("/caches/detent") / name);
  ::setenv("DETENT_CACHE_DIR", "/elsewhere", 1);
  CHECK(plugin_cache_file().path == fs::path("/elsewhere") / name);
  ::setenv("DETENT_NO_CACHE", "1", 1);
  CHECK(plugin_cache_file().path.empty());
  ::setenv("DETENT_NO_CACHE", "", 1);
  CHECK_FALSE(plugin_cache_file().path.empty());
  ::setenv("DETENT_CACHE_DIR", "", 1);
  CHECK(plugin_cache_file().path.empty());
}
