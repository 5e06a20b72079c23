// SPDX-License-Identifier: Apache-2.0
#include "plugin/search_path.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "support/catch.hpp"

namespace fs = std::filesystem;
using namespace detent;

namespace {

// Sets or unsets a variable of the environment for the length of a test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    if (value != nullptr) {
      ::setenv(name, value, 1);
    } else {
      ::unsetenv(name);
    }
  }
  ~Environment() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

std::vector<std::string> of_origin(const std::vector<SearchFolder>& folders,
                                   const std::string& origin) {
  std::vector<std::string> out;
  for (const SearchFolder& folder : folders) {
    if (folder.origin == origin) out.push_back(folder.path.string());
  }
  return out;
}

}  // namespace

TEST_CASE("the search path lists the folders in the order of precedence") {
  const Environment path("DETENT_PLUGIN_PATH", "/env/a::/env/b:");
  const Environment data("XDG_DATA_HOME", "/data");
  const std::vector<SearchFolder> folders = plugin_search_path({"/conf"}, {"/option", "/second"});
  std::vector<std::string> listed;
  for (const SearchFolder& f : folders) listed.push_back(f.origin + " " + f.path.string());
  listed.resize(6);
  CHECK(listed == std::vector<std::string>{"configuration /conf", "--plugin-path /option",
                                           "--plugin-path /second", "DETENT_PLUGIN_PATH /env/a",
                                           "DETENT_PLUGIN_PATH /env/b",
                                           "user /data/detent/plugins"});
}

TEST_CASE("the installation's folder lies beside the folder of the program and comes last") {
  const std::vector<SearchFolder> folders = plugin_search_path({}, {});
  const fs::path prefix = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
  const std::vector<std::string> found = of_origin(folders, "installation");
  REQUIRE_FALSE(found.empty());
  CHECK(std::count(found.begin(), found.end(), (prefix / "lib/detent/plugins").string()) == 1);
  CHECK(folders.back().origin == "installation");
  for (const SearchFolder& f : folders) CHECK(f.builtin == (f.origin == "installation"));
}

TEST_CASE("the user's folder follows XDG_DATA_HOME when it is absolute, else HOME") {
  const Environment home("HOME", "/home/ada");
  {
    const Environment data("XDG_DATA_HOME", nullptr);
    CHECK(of_origin(plugin_search_path({}, {}), "user") ==
          std::vector<std::string>{"/home/ada/.local/share/detent/plugins"});
  }
  {
    const Environment data("XDG_DATA_HOME", "relative");
    CHECK(of_origin(plugin_search_path({}, {}), "user") ==
          std::vector<std::string>{"/home/ada/.local/share/detent/plugins"});
  }
  const Environment data("XDG_DATA_HOME", "");
  const Environment nobody("HOME", nullptr);
  CHECK(of_origin(plugin_search_path({}, {}), "user").empty());
}

TEST_CASE("relative folders become absolute, so that no system folder is searched for them") {
  const Environment path("DETENT_PLUGIN_PATH", "env");
  const std::string here = fs::current_path().string();
  const std::vector<SearchFolder> folders = plugin_search_path({"conf"}, {"a/../option"});
  CHECK(of_origin(folders, "configuration") == std::vector<std::string>{here + "/conf"});
  CHECK(of_origin(folders, "--plugin-path") == std::vector<std::string>{here + "/option"});
  CHECK(of_origin(folders, "DETENT_PLUGIN_PATH") == std::vector<std::string>{here + "/env"});
}
