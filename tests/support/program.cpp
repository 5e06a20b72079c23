// SPDX-License-Identifier: Apache-2.0
#include "support/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace detent::test {
namespace fs = std::filesystem;

namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& t : texts) list.push_back(t.data());
  list.push_back(nullptr);
  return list;
}

[[noreturn]] void become(const fs::path& out, const fs::path& err,
                         std::vector<std::string> arguments, std::vector<std::string> environment) {
  const int o = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int e = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int i = ::open("/dev/null", O_RDONLY);
  ::dup2(i, STDIN_FILENO);
  ::dup2(o, STDOUT_FILENO);
  ::dup2(e, STDERR_FILENO);
  ::execve(DETENT_PROGRAM, pointers(arguments).data(), pointers(environment).data());
  ::_exit(127);
}

}  // namespace

Outcome run_detent(const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment) {
  const TempFolder streams;
  std::vector<std::string> argv{"detent"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> env{"PATH=/usr/bin:/bin", "HOME=" + streams.path().string(), "CI=1"};
  env.insert(env.end(), environment.begin(), environment.end());
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH", "TMPDIR"})
    if (const char* value = std::getenv(name)) env.push_back(std::string(name) + "=" + value);
  const pid_t child = ::fork();
  if (child == 0) become(streams / "out", streams / "err", argv, env);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child)
    throw std::runtime_error("cannot run detent");
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_file(streams / "out"), read_file(streams / "err")};
}

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "detent-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> TempFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(path_))
    names.push_back(fs::relative(entry.path(), path_).string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace detent::test
