// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.hpp"

#include <atomic>
#include <csignal>
#include <unistd.h>

#include "base/error.hpp"

namespace detent {
namespace {

std::atomic<int> cancel_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");

extern "C" void on_signal(int number) {
  int expected = 0;
  if (!cancel_signal.compare_exchange_strong(expected, number)) _exit(128 + number);
}

void install(int number) {
  struct sigaction old = {};
  // Ignored by whoever started the program (nohup, a shell's background job): it stays ignored.
  if (sigaction(number, nullptr, &old) == 0 && old.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // work looks at the flag; a read in progress is not cut short
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  install(SIGINT);
  install(SIGTERM);
}

int cancelled_by() { return cancel_signal.load(std::memory_order_relaxed); }

void check_cancelled() {
  const int number = cancelled_by();
  if (number == 0) return;
  if (number == SIGTERM) throw Error(ErrorCode::terminated, "terminated by SIGTERM");
  throw Error(ErrorCode::interrupted, "interrupted by SIGINT");
}

}  // namespace detent
