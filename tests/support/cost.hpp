// SPDX-License-Identifier: Apache-2.0
// cost_of_opening: what open_model says to a file, and the time and memory that it takes.
#pragma once
#include <algorithm>
#include <exception>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "model/model.hpp"
#include "support/catch.hpp"

namespace detent::test {

struct Cost {
  std::string outcome;   // of open_model: what it refused, or "accepted"
  double seconds = 0;    // of processor time
  double megabytes = 0;  // at most resident at once, the process itself included
};

// In a process of its own: the largest size of a process never falls.
inline Cost cost_of_opening(const std::filesystem::path& path) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string outcome = "accepted";
    try {
      open_model(path, {});
    } catch (const Error& e) {
      outcome = e.code() == ErrorCode::io ? e.what() : "another error";
    } catch (const std::exception& e) {
      outcome = std::string("another exception: ") + e.what();
    }
    const ssize_t put =
        ::write(ends[1], outcome.data(), std::min<std::size_t>(outcome.size(), 4000));
    ::_exit(put < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  Cost cost;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    cost.outcome.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  rusage usage = {};
  REQUIRE(::wait4(child, &status, 0, &usage) == child);
  CHECK(status == 0);
  for (const timeval& time : {usage.ru_utime, usage.ru_stime})
    cost.seconds += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  cost.megabytes = static_cast<double>(usage.ru_maxrss) / 1000;
  return cost;
}

}  // namespace detent::test
