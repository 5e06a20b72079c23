// SPDX-License-Identifier: Apache-2.0
// The flag is the process's and is never taken back: each case runs in a child.
#include "base/cancel.hpp"

#include <csignal>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "support/catch.hpp"

using namespace detent;

namespace {

// The exit code of a child that runs f, 200 when f returns.
int exit_code_of(const std::function<void()>& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    f();
    ::_exit(200);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void exit_with_error_code() {
  try {
    check_cancelled();
  } catch (const Error& e) {
    ::_exit(e.exit_code());
  }
}

}  // namespace

TEST_CASE("without a signal nothing is cancelled") {
  CHECK(cancelled_by() == 0);
  CHECK_NOTHROW(check_cancelled());
}

TEST_CASE("the first signal sets the flag and work ends with 130 or 143") {
  const auto raise_and_check = [](int number) {
    return exit_code_of([number] {
      install_signal_handlers();
      std::raise(number);
      if (cancelled_by() != number) ::_exit(1);
      exit_with_error_code();
    });
  };
  CHECK(raise_and_check(SIGINT) == 130);
  CHECK(raise_and_check(SIGTERM) == 143);
}

TEST_CASE("the second signal ends the process at once") {
  CHECK(exit_code_of([] {
          install_signal_handlers();
          std::raise(SIGINT);
          std::raise(SIGINT);
        }) == 130);
  CHECK(exit_code_of([] {
          install_signal_handlers();
          std::raise(SIGINT);
          std::raise(SIGTERM);
        }) == 143);
}

TEST_CASE("a signal that was ignored when the program began stays ignored") {
  CHECK(exit_code_of([] {
          std::signal(SIGINT, SIG_IGN);
          install_signal_handlers();
          std::raise(SIGINT);
          std::raise(SIGINT);
          ::_exit(cancelled_by() == 0 ? 7 : 8);
        }) == 7);
}
