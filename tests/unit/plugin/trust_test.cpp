// SPDX-License-Identifier: Apache-2.0
// What is pinned runs from memory that nobody can write to, and, where a configuration wants it,
// nothing else runs.
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures.hpp"
#include "plugin/pins.hpp"
#include "plugin/sealed_copy.hpp"
#include "plugin/sha256.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

std::string hash_of(const fs::path& file) { return sha256_of(File::open_to_read(file)); }

// A copy whose constructors have not run in this process.
struct Copy {
  TempFolder folder;
  explicit Copy(const std::string& scenario) {
    fs::copy(fixture_folder(scenario), folder.path(), fs::copy_options::recursive);
    ::unsetenv("DETENT_FIXTURE_LOADED");
  }
  static bool was_loaded() { return std::getenv("DETENT_FIXTURE_LOADED") != nullptr; }
};

// Is a file of that name mapped into this process?
bool is_mapped(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(name) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a pinned library runs from sealed memory and not from its file") {
  const Copy copy("pinned");
  const fs::path file = copy.folder / "int3.detent.so";
  const Registry registry = Registry::scan({search(copy.folder.path())}, {{"int3", hash_of(file)}});
  REQUIRE(registry.problems().empty());
  const Plugin& plugin = registry.get(PluginKind::observer, "int3");
  CHECK(plugin.path == file);  // what it is known by
  CHECK(plugin.code().vtbl != nullptr);
  CHECK(is_mapped("memfd:int3.detent.so"));
  CHECK_FALSE(is_mapped(file.string()));
}

TEST_CASE("a library that is not pinned runs from its file, where a debugger finds it") {
  const Copy copy("impostor");
  REQUIRE(Registry::scan({search(copy.folder.path())}).problems().empty());
  CHECK(is_mapped((copy.folder / "helpful.detent.so").string()));
}

TEST_CASE("a sealed copy can neither be written to nor cut short nor grow") {
  const TempFolder folder;
  fs::copy_file(fixture_folder("good") / "nothing.detent.so", folder / "x.detent.so");
  const File file = File::open_to_read(folder / "x.detent.so");
  const fs::path copy = sealed_copy(file, sha256_of(file));
  CHECK(sha256_of(File::open_to_read(copy)) == sha256_of(file));
  const int fd = ::open(copy.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(::pwrite(fd, "x", 1, 0) < 0);
  CHECK(::ftruncate(fd, 1) < 0);
  CHECK(::ftruncate(fd, 1 << 24) < 0);
  ::close(fd);
}

TEST_CASE("a file that is replaced between hashing and loading is refused, and never runs") {
  const Copy copy("hidden");
  const fs::path path = copy.folder / "harmless.detent.so";
  const std::string hashed = hash_of(path);
  const File opened = File::open_to_read(path);
  // The same file, written to by somebody else: other bytes under the descriptor that was hashed.
  std::ofstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(4096) << "changed";
  const Error error = error_of([&] { sealed_copy(opened, hashed); });
  CHECK(error.code() == ErrorCode::plugin);
  CHECK(std::string(error.what()).find("was changed by somebody") != std::string::npos);
  CHECK_FALSE(Copy::was_loaded());
}

TEST_CASE("a pinned library that needs others beside it is refused, an unpinned one is not") {
  const Copy copy("origin");
  const fs::path file = copy.folder / "neighbour.detent.so";
  const Registry pinned =
      Registry::scan({search(copy.folder.path())}, {{"acme.neighbour", hash_of(file)}});
  CHECK(only_problem(pinned).find("looks for other libraries beside itself ($ORIGIN/lib)") !=
        std::string::npos);
  CHECK_FALSE(Copy::was_loaded());
  CHECK(Registry::scan({search(copy.folder.path())}).problems().empty());
}

TEST_CASE("with only pinned plugins trusted, others never run, whatever they are called") {
  const Copy copy("disguised");
  const fs::path file = copy.folder / "harmless.detent.so";
  const std::string other(64, '1');
  const Registry registry = Registry::scan({search(copy.folder.path())}, {{"acme.other", other}},
                                           {}, PluginTrust::pinned);
  CHECK(only_problem(registry) ==
        "is not pinned, and only pinned plugins are trusted (sha256:" + hash_of(file) + ")");
  CHECK_FALSE(Copy::was_loaded());
  const Registry trusted = Registry::scan({search(copy.folder.path())}, {{"int3", hash_of(file)}},
                                          {}, PluginTrust::pinned);
  CHECK(trusted.problems().empty());
  CHECK(trusted.plugins().size() == 1);
}

TEST_CASE("with only pinned plugins trusted, those of the installation need no pin") {
  const Copy copy("other");
  const Registry registry =
      Registry::scan({{copy.folder.path(), "installation", true}}, {}, {}, PluginTrust::pinned);
  CHECK(registry.problems().empty());
  CHECK(registry.plugins().size() == 1);
}
