// SPDX-License-Identifier: Apache-2.0
// The progress bar: what it shows, and when there is none.
#include "cli/progress.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"

namespace detent::cli {
namespace {

enum class Stderr { terminal, file };

// What a child process writes to its standard error, a terminal or not, while it shows `samples`.
std::string shown(std::uint64_t samples, Stderr kind, const char* variable = nullptr,
                  bool wanted = true) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0);
  REQUIRE(::grantpt(master) == 0);
  REQUIRE(::unlockpt(master) == 0);
  const std::string name = ::ptsname(master);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const int terminal = ::open(name.c_str(), O_RDWR | O_NOCTTY);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(kind == Stderr::terminal ? terminal : ends[1], STDERR_FILENO);
    for (const char* v : {"CI", "NO_COLOR", "NO_TTY"}) ::unsetenv(v);
    if (variable != nullptr) ::setenv(variable, "1", 1);
    {
      ProgressBar bar(wanted);
      bar.update("calibrate", samples, samples, Unit::samples);
    }
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  ::close(ends[1]);
  const int from = kind == Stderr::terminal ? master : ends[0];
  ::fcntl(from, F_SETFL, O_NONBLOCK);
  char buffer[4096];
  const ssize_t n = ::read(from, buffer, sizeof buffer);
  for (const int fd : {master, terminal, ends[0]}) ::close(fd);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "";
}

}  // namespace

TEST_CASE("a bar of calibration shows samples, their rate and the time that is left",
          "[cli][progress]") {
  const std::string line = progress_line("calibrate", 30, 150, Unit::samples, 12.0, 100);
  CHECK(line.find("30 of 150 samples") != std::string::npos);
  CHECK(line.find("2.5/s") != std::string::npos);
  CHECK(line.find("0:48 left") != std::string::npos);
  CHECK(line.find("20 %") != std::string::npos);
  CHECK(line.find('#') != std::string::npos);
}

TEST_CASE("a bar of bytes shows bytes", "[cli][progress]") {
  const std::string line = progress_line("quantize", 1'000'000, 4'000'000, Unit::bytes, 1.0, 100);
  CHECK(line.find("1.00 MB of 4.00 MB") != std::string::npos);
  CHECK(line.find("0:03 left") != std::string::npos);
}

TEST_CASE("a slow rate is no endless wait, and nothing done yet no time at all",
          "[cli][progress]") {
  CHECK(progress_line("calibrate", 1, 101, Unit::samples, 10.0, 100).find("16:40 left") !=
        std::string::npos);
  CHECK(progress_line("calibrate", 0, 101, Unit::samples, 0.0, 100).find("-:-- left") !=
        std::string::npos);
}

TEST_CASE("calibration has a bar from 51 samples on, on a terminal only", "[cli][progress]") {
  CHECK(shown(51, Stderr::terminal).find("51 of 51 samples") != std::string::npos);
  CHECK(shown(50, Stderr::terminal).empty());
  CHECK(shown(51, Stderr::file).empty());
  CHECK(shown(51, Stderr::terminal, nullptr, false).empty());  // --quiet
  for (const char* variable : {"CI", "NO_TTY", "NO_COLOR"}) {
    CAPTURE(variable);
    CHECK(shown(51, Stderr::terminal, variable).empty());
  }
}

}  // namespace detent::cli
