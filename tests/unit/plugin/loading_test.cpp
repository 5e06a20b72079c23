// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

// The whole reason, so that a change of what people read is a change of a test.
void check_refused(const std::string& scenario, const std::string& reason) {
  CAPTURE(scenario);
  const Registry registry = scan(scenario);
  CHECK(registry.plugins().empty());
  REQUIRE(registry.problems().size() == 1);
  CHECK(registry.problems()[0].reason == reason);
  CHECK(registry.problems()[0].path == fixture_folder(scenario) / "broken.detent.so");
}

}  // namespace

TEST_CASE("a good library is read into plugins with all its facts") {
  const Registry& registry = good();
  CHECK(registry.problems().empty());
  REQUIRE(registry.plugins().size() == 6);
  const Plugin& p = registry.get(PluginKind::observer, "acme.nothing");
  CHECK(p.id == "acme.nothing");
  CHECK(p.version == "1.2.3");
  CHECK(p.name == "Nothing");
  CHECK(p.description == "A test");
  CHECK(p.vendor == "Acme");
  CHECK(p.license == "Apache-2.0");
  CHECK(p.aliases == std::vector<std::string>{"nihil", "zilch"});
  CHECK(p.state_version == 7);
  CHECK(p.path == fixture_folder("good") / "nothing.detent.so");
  CHECK(p.build == "a fixture, C11");
  CHECK(p.abi_major == DETENT_ABI_MAJOR);
  CHECK(p.abi_minor == DETENT_ABI_MINOR);
  CHECK(p.origin == "--plugin-path");
  CHECK_FALSE(p.builtin);
  CHECK(p.shadowed_by.empty());
  CHECK(p.sha256.size() == 64);
  CHECK(p.params_schema.if_object() != nullptr);
  CHECK(p.code().library != nullptr);
  CHECK(p.code().vtbl != nullptr);
}

TEST_CASE("a library that does not shake hands is refused with both versions named") {
  check_refused("no_entry", "exports no detent_entry: not a Detent plugin");
  check_refused("throws_in_entry", "threw in detent_entry: no licence found");
  check_refused("other_major", "built for ABI 3.1, this host has 0.9");
  check_refused("unknown_major", "does not speak ABI 0 (host is 0.9)");
  check_refused("lying_major", "built for ABI 4.9, this host has 0.9");
  check_refused("draft_minor",
                "built for ABI 0.2, a draft; this host takes 0.9 and later");
  check_refused("needs_newer", "needs ABI 0.11, this host has 0.9");
  check_refused("lying_minor", "built for ABI 0.9 and asks for 0.11 at least");
  check_refused("bad_magic", "its description begins with 0x12345678 instead of 0x544e5444");
  check_refused("short_library", "its detent_library has 24 bytes, ABI 0.9 needs 64");
}

TEST_CASE("a library of a later minor whose structs have grown is loaded") {
  const Registry registry = scan("newer_minor");
  REQUIRE(registry.problems().empty());
  REQUIRE(registry.plugins().size() == 1);
  CHECK(registry.plugins()[0].abi_minor == 12);
}

TEST_CASE("a library whose symbols nobody has is refused with the symbol named") {
  const std::string reason = only_problem(scan("undefined_symbol"));
  CHECK(contains(reason, "cannot be loaded: "));
  CHECK(contains(reason, "nobody_has_this"));
}

TEST_CASE("a library that describes its plugins wrongly is refused with the field named") {
  check_refused("no_plugins", "has no plugins");
  check_refused("many_plugins", "says that it has 1000000 plugins; 1024 are allowed");
  check_refused("null_plugin", "plugin_at(0) is NULL");
  check_refused("same_twice", "describes observer \"acme.nothing\" twice");
  check_refused("short_plugin", "the detent_plugin 0 has 40 bytes, ABI 0.9 needs 120");
  check_refused("unknown_kind", "\"acme.nothing\" is of the unknown kind 9");
  check_refused("null_name", "the name of \"acme.nothing\" is NULL");
  check_refused("null_id", "the id of plugin 0 is NULL");
  check_refused("bad_id",
                "the id \"Acme Nothing\" of plugin 0 is not one or more of a-z 0-9 _ . -");
  check_refused("bad_version", "the version \"1.2\" of \"acme.nothing\" is not of the form 1.2.3");
  check_refused("bad_utf8", "the name of \"acme.nothing\" is not UTF-8");
}

TEST_CASE("a library with a schema that the host does not understand is refused") {
  const std::string not_json = only_problem(scan("schema_not_json"));
  CHECK(contains(not_json, "params_schema of \"acme.nothing\" is not JSON: "));
  CHECK(contains(not_json, "at line 1, column "));
  check_refused("schema_not_object",
                "params_schema of \"acme.nothing\" is an array, not an object");
  const std::string keyword = only_problem(scan("schema_unknown_keyword"));
  CHECK(contains(keyword, "params_schema of \"acme.nothing\""));
  CHECK(contains(keyword, "patternProperties"));
}

TEST_CASE("a library with a function table that is missing, short or has holes is refused") {
  check_refused("no_vtbl", "\"acme.nothing\" has no function table");
  check_refused("short_vtbl",
                "the function table of \"acme.nothing\" has 32 bytes, ABI 0.9 needs 72");
  check_refused("null_function", "\"acme.nothing\" has no function observe");
  check_refused("stat_without_function",
                "\"acme.nothing\" provides statistics but has no compute_stat");
  check_refused("merge_promised", "\"acme.nothing\" promises an exact merge but has no merge");
}

#if defined(__x86_64__)
TEST_CASE("a library that switches denormals off is refused and the mode put back") {
  const auto control = [] { return __builtin_ia32_stmxcsr() & 0xFFC0U; };
  const unsigned before = control();
  check_refused("flush_to_zero", "changes the floating-point mode of the process when loaded");
  CHECK(control() == before);
  CHECK((before & 0x8040U) == 0);  // the fixture's mode would not be the same by chance
}
#endif

TEST_CASE("bad files do not keep the good ones of their folder from being loaded") {
  const TempFolder folder;
  for (const fs::directory_entry& scenario : fs::directory_iterator(DETENT_FIXTURES)) {
    const fs::path file = scenario.path() / "broken.detent.so";
    if (!fs::exists(file)) continue;
    fs::copy_file(file, folder / (scenario.path().filename().string() + ".detent.so"));
  }
  folder.write("a_text.detent.so", "I am not a library\n");
  folder.write("empty.detent.so", "");
  fs::create_directory(folder / "folder.detent.so");
  fs::create_symlink("nowhere", folder / "dangling.detent.so");
  fs::copy_file(fixture_folder("good") / "nothing.detent.so", folder / "m_good.detent.so");
  folder.write("readme.txt", "not looked at");

  const Registry registry = Registry::scan({search(folder.path())});
  REQUIRE(registry.plugins().size() == 1);
  CHECK(registry.plugins()[0].path == folder / "m_good.detent.so");
  CHECK(registry.problems().size() >= 28);
  for (const PluginProblem& problem : registry.problems()) {
    CAPTURE(problem.path);
    CHECK_FALSE(problem.reason.empty());
    CHECK(problem.reason.find(problem.path.string() + ": " + problem.path.string()) ==
          std::string::npos);
  }
}
