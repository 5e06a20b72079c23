// SPDX-License-Identifier: Apache-2.0
#include "sandbox/sandbox.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace detent;

namespace {

constexpr int kSkipped = 99;  // this kernel has no sandbox

// Runs it in a child that has entered the sandbox; what it returns, or -signal.
int in_sandbox(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::string why_not;
    if (sandbox::enter(&why_not).empty()) ::_exit(kSkipped);
    ::_exit(work());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// 0 when the call failed as a sandbox makes it fail.
int refused(long result) { return result < 0 && (errno == EPERM || errno == EACCES) ? 0 : 1; }

bool here() {
  static const bool works = in_sandbox([] { return 0; }) == 0;
  if (!works) WARN("this kernel has no Landlock or no seccomp: not tested");
  return works;
}

}  // namespace

TEST_CASE("In the sandbox no file can be read, written, made or removed") {
  if (!here()) return;
  const test::TempFolder folder;
  const std::string file = folder.write("secret", "text").string();
  const std::string other = (folder / "new").string();
  CHECK(in_sandbox([&] { return refused(::open(file.c_str(), O_RDONLY)); }) == 0);
  CHECK(in_sandbox([&] { return refused(::open(file.c_str(), O_WRONLY)); }) == 0);
  CHECK(in_sandbox([&] { return refused(::open(other.c_str(), O_CREAT | O_WRONLY, 0600)); }) == 0);
  CHECK(in_sandbox([&] { return refused(::open("/proc/self/status", O_RDONLY)); }) == 0);
  CHECK(in_sandbox([&] { return refused(::unlink(file.c_str())); }) == 0);
  CHECK(in_sandbox([&] { return refused(::rename(file.c_str(), other.c_str())); }) == 0);
  CHECK(in_sandbox([&] { return refused(::mkdir(other.c_str(), 0700)); }) == 0);
  CHECK(in_sandbox([&] { return refused(::chmod(file.c_str(), 0777)); }) == 0);
  CHECK(std::filesystem::exists(file));
  CHECK_FALSE(std::filesystem::exists(other));
  // The same calls work outside: the test can fail.
  CHECK(refused(::open(file.c_str(), O_RDONLY)) == 1);
}

TEST_CASE("In the sandbox there is no network, no other program and no other process") {
  if (!here()) return;
  CHECK(in_sandbox([] { return refused(::socket(AF_INET, SOCK_STREAM, 0)); }) == 0);
  CHECK(in_sandbox([] { return refused(::socket(AF_UNIX, SOCK_STREAM, 0)); }) == 0);
  CHECK(in_sandbox([] { return refused(::execl("/bin/true", "true", nullptr)); }) == 0);
  const auto fork_once = [] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    return refused(child);
  };
  CHECK(in_sandbox(fork_once) == 0);
  CHECK(in_sandbox([] { return refused(::kill(::getppid(), SIGTERM)); }) == 0);
  CHECK(in_sandbox([] { return refused(::setuid(1)); }) == 0);
}

TEST_CASE("Computing goes on in the sandbox: memory, threads, and what is open already") {
  if (!here()) return;
  const test::TempFolder folder;
  const int file = ::open(folder.write("open", "abc").c_str(), O_RDONLY);
  CHECK(in_sandbox([&] {
          char text[4] = {};
          return ::pread(file, text, 3, 0) == 3 && std::strcmp(text, "abc") == 0 ? 0 : 1;
        }) == 0);
  ::close(file);
  CHECK(in_sandbox([] {
          int sum = 0;
          std::thread([&] { sum = 5; }).join();
          return sum == 5 ? 0 : 1;
        }) == 0);
  CHECK(in_sandbox([] {  // as kernels that are made while the program runs
          void* page =
              ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          return page != MAP_FAILED && ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : 1;
        }) == 0);
  CHECK(in_sandbox([] {
          ::signal(SIGABRT, SIG_DFL);  // not the test program's own handler
          ::abort();
          return 0;
        }) == -SIGABRT);
}

TEST_CASE("What only a program that means harm tries is remembered, once") {
  if (!here()) return;
  CHECK(in_sandbox([] {
          if (sandbox::has_violation()) return 1;
          (void)::open("/proc/cpuinfo", O_RDONLY);  // asks what machine this is: refused, no harm
          if (sandbox::has_violation()) return 2;
          (void)::open("/etc/passwd", O_RDONLY);
          (void)::socket(AF_INET, SOCK_STREAM, 0);
          if (sandbox::take_violation() != "to get at the file \"/etc/passwd\"") return 3;
          if (sandbox::has_violation()) return 4;
          (void)::socket(AF_INET, SOCK_STREAM, 0);
          return sandbox::take_violation().find("to open a socket") == std::string::npos ? 5 : 0;
        }) == 0);
}

TEST_CASE("Threads that ran before are in the sandbox too") {
  if (!here()) return;
  const test::TempFolder folder;
  const std::string file = folder.write("secret", "text").string();
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 1;
    std::atomic<bool> entered = false;
    std::thread early([&] {
      while (!entered) std::this_thread::yield();
      result = refused(::open(file.c_str(), O_RDONLY));
    });
    std::string why_not;
    sandbox::enter(&why_not);
    entered = true;
    early.join();
    ::_exit(result);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("Memory beyond the limit is refused") {
  const pid_t child = ::fork();
  if (child == 0) {
    sandbox::limit_memory(std::uint64_t{256} << 20U);
    void* much = ::mmap(nullptr, std::size_t{1} << 30U, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::_exit(much == MAP_FAILED && errno == ENOMEM ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
