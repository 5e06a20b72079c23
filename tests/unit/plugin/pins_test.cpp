// SPDX-License-Identifier: Apache-2.0
#include "plugin/pins.hpp"

#include <cstdlib>

#include "fixtures.hpp"
#include "plugin/sha256.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

const std::string kOther(64, '1');

using PinList = std::vector<std::pair<std::string, std::string>>;

std::string hash_of(const fs::path& file) { return sha256_of(File::open_to_read(file)); }

// A copy of a scenario that no test has loaded yet, so that its constructor runs again if it is.
struct Copy {
  TempFolder folder;
  explicit Copy(const std::string& scenario) {
    fs::copy(fixture_folder(scenario), folder.path(), fs::copy_options::recursive);
    ::unsetenv("DETENT_FIXTURE_LOADED");
  }
  Registry scan(const PinList& pins) const { return Registry::scan({search(folder.path())}, pins); }
  static bool was_loaded() { return std::getenv("DETENT_FIXTURE_LOADED") != nullptr; }
};

}  // namespace

TEST_CASE("a file with the pinned hash is used") {
  const Copy copy("pinned");
  const std::string hash = hash_of(copy.folder / "int3.detent.so");
  std::string upper = hash;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& pin : {hash, "sha256:" + hash, upper}) {
    const Registry registry = copy.scan({{"int3", pin}});
    CHECK(registry.problems().empty());
    CHECK(registry.get(PluginKind::observer, "int3").sha256 == hash);
  }
  CHECK(Copy::was_loaded());
}

TEST_CASE("a file called as a pinned plugin with another hash is refused before it is loaded") {
  const Copy copy("pinned");
  const Registry registry = copy.scan({{"int3", kOther}});
  CHECK_FALSE(Copy::was_loaded());
  CHECK(registry.plugins().empty());
  const std::string hash = hash_of(copy.folder / "int3.detent.so");
  CHECK(only_problem(registry) ==
        "is not the pinned \"int3\": its sha256 is " + hash + ", the pin is " + kOther);
  CHECK(error_of([&] { registry.get(PluginKind::observer, "int3"); }).code() == ErrorCode::plugin);
}

TEST_CASE("a file that holds a pinned id with a dot is refused before it is loaded") {
  const Copy copy("hidden");
  const Registry registry = copy.scan({{"acme.int3", "sha256:" + kOther}});
  CHECK_FALSE(Copy::was_loaded());
  CHECK(registry.plugins().empty());
  CHECK(contains(only_problem(registry), "is not the pinned \"acme.int3\": its sha256 is "));
}

TEST_CASE("a file that hides its pinned id is refused once its descriptors are read") {
  const Copy copy("disguised");
  const Registry registry = copy.scan({{"INT-3", kOther}});  // names are compared normalised
  CHECK(Copy::was_loaded());                                 // the limit that registry.hpp tells of
  CHECK(registry.plugins().empty());
  CHECK(contains(only_problem(registry), "is not the pinned \"INT-3\": its sha256 is "));
  CHECK(error_of([&] { registry.get(PluginKind::observer, "int3"); }).code() == ErrorCode::plugin);
}

TEST_CASE("another plugin does not take a pinned name by an alias") {
  const Copy copy("impostor");
  CHECK(copy.scan({}).find(PluginKind::observer, "nihil") != nullptr);
  const Registry registry = copy.scan({{"nihil", kOther}});
  CHECK(registry.find(PluginKind::observer, "nihil") == nullptr);
  CHECK(registry.find(PluginKind::observer, "helpful") == nullptr);
}

TEST_CASE("a pin does not touch plugins of other names") {
  const Copy copy("good");
  const Registry registry = copy.scan({{"acme.int3", kOther}, {"int8", kOther}});
  CHECK(registry.problems().empty());
  CHECK(registry.plugins().size() == 6);
}

TEST_CASE("a pinned plugin in a later folder is used when an earlier one is not it") {
  const Copy wrong("pinned");
  const Copy right("disguised");
  const std::string hash = hash_of(right.folder / "harmless.detent.so");
  const Registry registry =
      Registry::scan({search(wrong.folder.path()), search(right.folder.path())}, {{"int3", hash}});
  CHECK(registry.problems().size() == 1);
  CHECK(registry.get(PluginKind::observer, "int3").sha256 == hash);
}

TEST_CASE("a pinned id is found in a file wherever it stands, and not inside another id") {
  const TempFolder folder;
  const Pins pins({{"acme.int3", kOther}});
  const auto refused = [&](const std::string& bytes) {
    const fs::path file = folder.write("some.detent.so", bytes);
    const File opened = File::open_to_read(file);
    return !pins.refusal_before_loading(opened, sha256_of(opened)).empty();
  };
  const std::string id("acme.int3\0", 10);
  const std::size_t block = 1 << 20;  // what is read at a time
  CHECK(refused(id));
  for (std::size_t before = block - 20; before < block + 5; ++before) {
    CAPTURE(before);
    CHECK(refused(std::string(before, '\0') + id));
    CHECK_FALSE(refused(std::string(before, 'x') + id));
  }
  CHECK(refused(std::string(3 * block + 7, '\0') + id + "tail"));
  CHECK_FALSE(refused("acme.int3"));  // not the end of a text
  CHECK_FALSE(refused(std::string("org.acme.int3\0", 14)));
  CHECK_FALSE(refused(std::string("acme.int3x\0", 11)));
}
