// SPDX-License-Identifier: Apache-2.0
// run_in_child: work in a process of its own, with a deadline, its output caught.
#pragma once
#include <chrono>
#include <functional>
#include <string>

namespace detent::conformance {

struct ChildResult {
  enum class End { answered, crashed, exited, timed_out } end = End::exited;
  std::string answer;   // what the work returned
  int signal = 0;       // crashed
  int exit_status = 0;  // exited without an answer
  std::string out;      // what was printed to stdout, its beginning
  std::string err;      // and to stderr
  double milliseconds = 0;
};

// Forks: the caller has no other thread. Everything that the child started is killed with it.
//
// Errors  Error{io} when no process can be made; Error{interrupted|terminated}
ChildResult run_in_child(const std::function<std::string()>& work,
                         std::chrono::milliseconds deadline);

// "SIGSEGV (invalid memory reference)"
std::string signal_name(int signal);

}  // namespace detent::conformance
