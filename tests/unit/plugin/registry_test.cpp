// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

json::Object params(std::initializer_list<const char*> keys) {
  json::Object object;
  for (const char* key : keys) object.set(key, json::Value(1));
  return object;
}

Problem problem_of(const Registry& registry, PluginKind kind, const std::string& name,
                   ErrorCode code) {
  const Error e = error_of([&] { registry.get(kind, name); });
  CHECK(e.code() == code);
  return e.problems()[0];
}

}  // namespace

TEST_CASE("a registry finds plugins by id and alias, whatever the case and the punctuation") {
  const Registry& registry = good();
  const Plugin* plugin = registry.find(PluginKind::observer, "acme.nothing");
  REQUIRE(plugin != nullptr);
  for (const char* name : {"ACME.Nothing", "acme.no_thing", "acme.no-thing", "nihil", "Zi_lch"}) {
    CAPTURE(name);
    CHECK(registry.find(PluginKind::observer, name) == plugin);
  }
  CHECK(registry.find(PluginKind::quantizer, "acme.nothing") == nullptr);
  CHECK(registry.find(PluginKind::observer, "nothing") == nullptr);
  CHECK(registry.find(PluginKind::observer, "") == nullptr);
}

TEST_CASE("an unknown name is a configuration error with the nearest name and the installed ids") {
  const Problem p = problem_of(good(), PluginKind::observer, "acme.nohting", ErrorCode::config);
  CHECK(p.message == "unknown observer \"acme.nohting\"");
  CHECK(p.hint ==
        "did you mean \"acme.nothing\"? installed observers: acme.nothing, fixture.observer");
  CHECK(problem_of(good(), PluginKind::observer, "zlich", ErrorCode::config).hint ==
        "did you mean \"zilch\"? installed observers: acme.nothing, fixture.observer");
  CHECK(problem_of(good(), PluginKind::quantizer, "gptq", ErrorCode::config).hint ==
        "installed quantizers: fixture.quantizer");
  CHECK(problem_of(scan("auto"), PluginKind::validator, "x", ErrorCode::config).hint ==
        "no validators are installed");
}

TEST_CASE("the first of two plugins of one id in different folders wins, the other is shadowed") {
  const Registry registry =
      Registry::scan({search(fixture_folder("good")), search(fixture_folder("other"))});
  CHECK(registry.problems().empty());
  CHECK(registry.get(PluginKind::observer, "acme.nothing").name == "Nothing");
  const Plugin& shadowed = registry.plugins().back();
  CHECK(shadowed.name == "Other");
  CHECK(shadowed.shadowed_by == (fixture_folder("good") / "nothing.detent.so").string());

  const Registry turned =
      Registry::scan({search(fixture_folder("other")), search(fixture_folder("good"))});
  CHECK(turned.get(PluginKind::observer, "acme.nothing").name == "Other");
}

TEST_CASE("two plugins of one id in one folder are a problem of both and cannot be used") {
  // Nor does one of a later folder take the place that they dispute.
  const Registry registry =
      Registry::scan({search(fixture_folder("twins")), search(fixture_folder("other"))});
  REQUIRE(registry.problems().size() == 2);
  CHECK(registry.problems()[0].path == fixture_folder("twins") / "first.detent.so");
  CHECK(registry.problems()[0].reason ==
        "observer \"acme.nothing\" is in second.detent.so too: neither is used");
  CHECK(registry.problems()[1].reason ==
        "observer \"acme.nothing\" is in first.detent.so too: neither is used");
  CHECK(registry.find(PluginKind::observer, "acme.nothing") == nullptr);
  const Problem p = problem_of(registry, PluginKind::observer, "acme.nothing", ErrorCode::plugin);
  CHECK(contains(p.message, "observer \"acme.nothing\" cannot be used: "));
  CHECK(contains(p.message, "neither is used"));
  REQUIRE(registry.plugins().size() == 1);
  CHECK_FALSE(registry.plugins()[0].shadowed_by.empty());
}

TEST_CASE("twins in a later folder do not take the name from an earlier one") {
  const Registry registry =
      Registry::scan({search(fixture_folder("other")), search(fixture_folder("twins"))});
  CHECK(registry.get(PluginKind::observer, "acme.nothing").name == "Other");
  CHECK(registry.problems().size() == 2);
}

TEST_CASE("an alias of two plugins in one folder names neither") {
  const Registry registry = scan("shared_alias");
  CHECK(registry.find(PluginKind::observer, "nihil") == nullptr);
  for (const char* name : {"the_one", "theone", "The-One"}) {
    CHECK(registry.find(PluginKind::observer, name) != nullptr);
  }
  const Problem p = problem_of(registry, PluginKind::observer, "nihil", ErrorCode::plugin);
  CHECK(p.message == "\"nihil\" is an alias of two observers, \"the_one\" and \"the_two\"");
  CHECK(p.hint == "name one of them by its id");
}

TEST_CASE("asking for a plugin whose file was refused is a plugin error with path and reason") {
  const TempFolder folder;
  const fs::path file = folder.write("acme_int3.detent.so", "not a library");
  const Registry registry = Registry::scan({search(folder.path())});
  for (const char* name : {"acme.int3", "acme_int3", "ACME-INT3"}) {
    const Problem p = problem_of(registry, PluginKind::quantizer, name, ErrorCode::plugin);
    CHECK(p.message == "quantizer \"" + std::string(name) + "\" cannot be used: " + file.string() +
                           ": is not a shared library: it does not begin with the ELF mark");
    CHECK_FALSE(p.hint.empty());
    CHECK(p.where.plugin == name);
  }
  CHECK(problem_of(registry, PluginKind::quantizer, "int4", ErrorCode::config).hint ==
        "no quantizers are installed; `detent plugins list` shows what was refused");
}

TEST_CASE("auto chooses the observer whose parameter is given and the usual one otherwise") {
  const Registry registry = scan("auto");
  CHECK(registry.choose_observer({}).id == "a.usual");
  CHECK(registry.choose_observer(params({"non_finite"})).id == "a.usual");
  CHECK(registry.choose_observer(params({"bins"})).id == "a.bins");
  CHECK(registry.choose_observer(params({"x", "averaging_constant"})).id == "a.constant");
  const Error e = error_of([&] {
    registry.choose_observer(params({"bins", "averaging_constant"}));
  });
  CHECK(e.code() == ErrorCode::config);
  CHECK(contains(e.what(), "\"bins\""));
  CHECK(contains(e.what(), "\"averaging_constant\""));
  CHECK(contains(e.what(), "a.bins"));
  CHECK(contains(e.what(), "a.constant"));
  CHECK(error_of([] { good().choose_observer({}); }).code() == ErrorCode::config);
}

TEST_CASE("a folder that was asked for by name and does not exist is a problem, others are not") {
  const fs::path nowhere = "/nonexistent/plugins";
  const Registry asked = Registry::scan({{nowhere, "configuration", false}});
  REQUIRE(asked.problems().size() == 1);
  CHECK(asked.problems()[0].path == nowhere);
  CHECK(asked.problems()[0].reason == "the folder does not exist");
  CHECK(Registry::scan({{nowhere, "--plugin-path", false}}).problems().size() == 1);
  for (const char* origin : {"DETENT_PLUGIN_PATH", "user", "installation"}) {
    CHECK(Registry::scan({{nowhere, origin, false}}).problems().empty());
  }
}

TEST_CASE("a path that is no folder is a problem") {
  const Registry registry = Registry::scan({search(fixture_folder("good") / "nothing.detent.so")});
  CHECK(contains(only_problem(registry), "the folder cannot be read"));
}

TEST_CASE("a folder that is named twice is scanned once, and built in if one name says so") {
  const TempFolder folder;
  fs::create_directory_symlink(fixture_folder("other"), folder / "link");
  const Registry registry =
      Registry::scan({search(fixture_folder("other")), {folder / "link", "installation", true}});
  REQUIRE(registry.plugins().size() == 1);
  CHECK(registry.problems().empty());
  CHECK(registry.plugins()[0].builtin);
  CHECK(registry.plugins()[0].origin == "--plugin-path");
}

TEST_CASE("plugins stay where they are when their registry is moved") {
  Registry registry = scan("other");
  const Plugin* plugin = registry.find(PluginKind::observer, "acme.nothing");
  const Registry moved = std::move(registry);
  CHECK(moved.find(PluginKind::observer, "acme.nothing") == plugin);
}
