// SPDX-License-Identifier: Apache-2.0
#include "plugin/writable.hpp"

#include <cstdlib>

#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

// outer/plugins/nothing.detent.so
struct Tree {
  TempFolder folder;
  fs::path plugins = folder / "outer" / "plugins";
  fs::path file = plugins / "nothing.detent.so";
  Tree() {
    fs::create_directories(plugins);
    fs::copy_file(fixture_folder("good") / "nothing.detent.so", file);
    ::unsetenv("DETENT_FIXTURE_LOADED");
  }
  void open(const fs::path& path, bool sticky = false) const {
    fs::permissions(path, fs::perms::others_write, fs::perm_options::add);
    if (sticky) fs::permissions(path, fs::perms::sticky_bit, fs::perm_options::add);
  }
  std::string problem(bool builtin = false) const {
    const Registry registry = Registry::scan({{plugins, "--plugin-path", builtin}});
    return registry.problems().empty() ? "" : only_problem(registry);
  }
  static bool was_loaded() { return std::getenv("DETENT_FIXTURE_LOADED") != nullptr; }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("plugins that only their owner can write to are loaded") {
  const Tree tree;
  CHECK(tree.problem().empty());
  CHECK(Tree::was_loaded());
}

TEST_CASE("a plugin file that everybody can write to is refused before it is loaded") {
  const Tree tree;
  tree.open(tree.file);
  CHECK(contains(tree.problem(), "everybody can write to this file"));
  CHECK_FALSE(Tree::was_loaded());
}

TEST_CASE("a plugin folder that everybody can write to is refused, sticky or not") {
  for (const bool sticky : {false, true}) {
    const Tree tree;
    tree.open(tree.plugins, sticky);
    CHECK(contains(tree.problem(), "everybody can write to this folder"));
    CHECK_FALSE(Tree::was_loaded());
  }
}

TEST_CASE("a folder above that everybody can write to is refused unless it is sticky") {
  const Tree tree;
  tree.open(tree.folder / "outer");
  CHECK(contains(tree.problem(), "outer above this folder"));
  CHECK_FALSE(Tree::was_loaded());
  const Tree like_tmp;
  like_tmp.open(like_tmp.folder / "outer", true);
  CHECK(like_tmp.problem().empty());
}

TEST_CASE("a link is as open as the folder that it leads to") {
  const Tree tree;
  tree.open(tree.plugins);
  const TempFolder links;
  fs::create_directory_symlink(tree.plugins, links / "plugins");
  const Registry folder = Registry::scan({search(links / "plugins")});
  CHECK(contains(only_problem(folder), "everybody can write to"));
  fs::create_directory(links / "own");
  fs::create_symlink(tree.file, links / "own" / "x.detent.so");
  CHECK(contains(only_problem(Registry::scan({search(links / "own")})), "leads elsewhere"));
  CHECK_FALSE(Tree::was_loaded());
}

TEST_CASE("the installation's own folder is trusted as the program in it is") {
  const Tree tree;
  tree.open(tree.plugins);
  CHECK(tree.problem(true).empty());
}
