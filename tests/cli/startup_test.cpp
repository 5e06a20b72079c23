// SPDX-License-Identifier: Apache-2.0
// What the program does before it works: which commands run code of plugins.
#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using namespace detent::test;

namespace {

// An installed plugin whose constructor writes a line into a file. It was built well before the
// test, so that a cache takes it.
class Traced {
 public:
  Outcome run(const std::vector<std::string>& arguments, std::vector<std::string> more = {}) const {
    more.push_back("DETENT_PLUGIN_PATH=" DETENT_FIXTURES "/other");
    more.push_back("DETENT_FIXTURE_TRACE=" + (folder_ / "trace").string());
    return run_detent(arguments, more);
  }
  // How often it was loaded so far.
  std::size_t loads() const {
    if (!fs::exists(folder_ / "trace")) return 0;
    const std::string lines = read_file(folder_ / "trace");
    return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string cache() const { return "DETENT_CACHE_DIR=" + (folder_ / "cache").string(); }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
};

}  // namespace

TEST_CASE("the version, help and mistakes of the command line load no plugin") {
  const Traced traced;
  CHECK(traced.run({"--version"}).out == "detent " DETENT_VERSION "\n");
  CHECK(traced.run({"--help"}).exit_code == 0);
  CHECK(traced.run({"plan", "--help"}).exit_code == 0);
  CHECK(traced.run({"plugins", "lits"}).exit_code == 2);
  CHECK(traced.run({"plan", "no/such/file.json"}).exit_code != 0);
  CHECK(traced.loads() == 0);
  CHECK(traced.folder().names().empty());
}

TEST_CASE("a plugin of another folder is listed without running in the program, and then cached") {
  const Traced traced;
  const Outcome cold = traced.run({"plugins", "list", "--json"}, {traced.cache()});
  REQUIRE(cold.exit_code == 0);
  CHECK(contains(cold.out, "acme.nothing"));
  for (int i = 0; i < 2; ++i) {
    const Outcome warm = traced.run({"plugins", "list", "--json"}, {traced.cache()});
    CHECK(warm.out == cold.out);
    CHECK(warm.err == cold.err);
  }
  CHECK(traced.run({"plugins", "show", "acme.nothing"}, {traced.cache()}).exit_code == 0);
  CHECK(traced.run({"config", "schema"}, {traced.cache()}).exit_code == 0);
  // Its constructor ran where nothing can be written, and where no variable of ours is.
  CHECK(traced.loads() == 0);
  const std::string facts = traced.run({"doctor"}, {traced.cache()}).out;
  CHECK(contains(facts, "plugin_files_loaded     0\n"));
  CHECK(contains(facts, "plugin_files_from_cache 18\n"));
}

TEST_CASE("without a cache plugins are listed anew each time and no file is written") {
  const Traced traced;
  const Outcome off = traced.run({"plugins", "list"}, {traced.cache(), "DETENT_NO_CACHE=1"});
  const Outcome nowhere = traced.run({"plugins", "list"}, {"DETENT_CACHE_DIR="});
  CHECK(contains(off.out, "acme.nothing"));
  CHECK(contains(nowhere.out, "acme.nothing"));
  CHECK(traced.folder().names().empty());
}

TEST_CASE("the cache lies in the user's cache folder, and doctor says where") {
  const Traced traced;
  const std::string name = "plugins-" DETENT_VERSION ".cache";
  const std::string home = "XDG_CACHE_HOME=" + traced.folder().path().string();
  const Outcome first = traced.run({"doctor", "--json"}, {home});
  REQUIRE(first.exit_code == 0);
  CHECK(contains(first.out, (traced.folder() / "detent" / name).string()));
  CHECK(fs::exists(traced.folder() / "detent" / name));
  CHECK(contains(traced.run({"doctor"}, {home}).out, "plugin_files_loaded     0\n"));
  CHECK(contains(traced.run({"doctor"}, {home, "DETENT_NO_CACHE=1"}).out,
                 "plugin_cache            null\n"));
}
