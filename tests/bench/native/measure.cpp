// SPDX-License-Identifier: Apache-2.0
// Runs a command and writes what it took, as JSON:
//
//   detent_measure RESULT COMMAND [ARGUMENT...]
//
// A program of its own because a child's peak memory, as the kernel counts it, starts with that of
// the process that it was forked from: this one is small.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

// Memory of the process alone: without files that it maps, which are the page cache's. In KiB.
long anonymous_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("RssAnon:", 0) == 0) return std::atol(line.c_str() + std::strlen("RssAnon:"));
  return 0;
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

[[noreturn]] void become(char** command) {
  ::execvp(command[0], command);
  ::_exit(127);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: detent_measure RESULT COMMAND [ARGUMENT...]\n", stderr);
    return 2;
  }
  const auto start = Clock::now();
  const pid_t child = ::fork();
  if (child < 0) return 1;
  if (child == 0) become(argv + 2);
  long anonymous = 0;
  int status = 0;
  rusage usage{};
  // A sleep between looks costs the measured time at most itself, so it grows with what has passed.
  while (::wait4(child, &status, WNOHANG, &usage) == 0) {
    anonymous = std::max(anonymous, anonymous_kib(child));
    const auto passed = Clock::now() - start;
    std::this_thread::sleep_for(std::min<Clock::duration>(
        passed / 200 + std::chrono::microseconds(50), std::chrono::milliseconds(5)));
  }
  const double wall = std::chrono::duration<double>(Clock::now() - start).count();
  std::FILE* out = std::fopen(argv[1], "w");
  if (out == nullptr) return 1;
  std::fprintf(out,
               "{\"exit\": %d, \"seconds\": %.6f, \"user\": %.6f, \"system\": %.6f, "
               "\"peak_rss\": %ld, \"peak_anonymous\": %ld}\n",
               WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), wall,
               seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss * 1024,
               anonymous * 1024);
  return std::fclose(out) == 0 ? 0 : 1;
}
