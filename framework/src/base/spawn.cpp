// SPDX-License-Identifier: Apache-2.0
#include "base/spawn.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <spawn.h>
#include <system_error>
#include <unistd.h>

#include "base/installation.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

fs::path helper_program(const char* name, const char* variable) {
  std::error_code ec;
  const char* given = ::secure_getenv(variable);
  if (given != nullptr && *given != '\0') return fs::is_regular_file(given, ec) ? given : "";
  for (const fs::path& prefix : installation_prefixes())
    for (const char* folder : {DETENT_LIBEXECDIR, "libexec"})
      if (fs::path found = prefix / folder / "detent" / name; fs::is_regular_file(found, ec))
        return found;
  return {};
}

// dup2 clears close-on-exec, but not when source and target are the same.
int moved_up(int fd) {
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 64);
  ::close(fd);
  return moved;
}

int spawn_helper(std::vector<std::string> arguments, std::vector<std::string> variables,
                 const std::vector<int>& given, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  int next = kFirstGivenFd;
  for (const int fd : given) posix_spawn_file_actions_adddup2(&actions, fd, next++);
  // Also what others in this process left open without close-on-exec.
  posix_spawn_file_actions_addclosefrom_np(&actions, next);
  // What a model or a plugin prints belongs to nobody's output.
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int error = ::posix_spawn(pid, arguments.at(0).c_str(), &actions, &attributes,
                                  pointers(arguments).data(), pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace detent
