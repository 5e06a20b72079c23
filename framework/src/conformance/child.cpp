// SPDX-License-Identifier: Apache-2.0
#include "conformance/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "base/cancel.hpp"
#include "base/error.hpp"

namespace detent::conformance {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxCaught = 4096;
constexpr std::uint32_t kMaxAnswer = 1U << 24;

[[noreturn]] void throw_errno(const char* what) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", what, std::strerror(errno)));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

int make_capture(const char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw_errno("no memory for the output of a test");
  return fd;
}

std::string read_capture(int fd) {
  std::string text(kMaxCaught, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

void write_all(int fd, const void* data, std::size_t n) {
  const char* p = static_cast<const char*>(data);
  while (n > 0) {
    const ssize_t done = ::write(fd, p, n);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    p += done;
    n -= static_cast<std::size_t>(done);
  }
}

[[noreturn]] void be_child(const std::function<std::string()>& work, int answer_to, int out,
                           int err) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  const std::string answer = work();
  std::fflush(nullptr);
  const auto size = static_cast<std::uint32_t>(answer.size());
  write_all(answer_to, &size, sizeof size);
  write_all(answer_to, answer.data(), answer.size());
  ::_exit(0);  // nothing of the plugin's runs any more
}

// Reads the length and that many bytes. False at the end of the file or at the deadline.
class AnswerReader {
 public:
  AnswerReader(int fd, Clock::time_point deadline) : fd_(fd), deadline_(deadline) {}

  bool read(std::string& answer) {
    std::uint32_t size = 0;
    if (!read(&size, sizeof size) || size > kMaxAnswer) return false;
    answer.resize(size);
    return read(answer.data(), size);
  }
  bool late() const { return late_; }

 private:
  bool read(void* to, std::size_t n) {
    char* p = static_cast<char*>(to);
    while (n > 0) {
      if (!wait()) return false;
      const ssize_t got = ::read(fd_, p, n);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      p += got;
      n -= static_cast<std::size_t>(got);
    }
    return true;
  }

  bool wait() {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
      if (left.count() <= 0) return late_ = true, false;
      pollfd p{fd_, POLLIN, 0};
      const int n = ::poll(&p, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 200)));
      if (n > 0) return true;
      if (cancelled_by() != 0) return false;
    }
  }

  int fd_;
  Clock::time_point deadline_;
  bool late_ = false;
};

void collect(pid_t child, ChildResult& result, bool late) {
  if (late || cancelled_by() != 0) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-child, SIGKILL);  // what it left behind
  if (result.end == ChildResult::End::answered) return;
  result.end = late                  ? ChildResult::End::timed_out
               : WIFSIGNALED(status) ? ChildResult::End::crashed
                                     : ChildResult::End::exited;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

}  // namespace

ChildResult run_in_child(const std::function<std::string()>& work,
                         std::chrono::milliseconds deadline) {
  const Descriptor out(make_capture("stdout"));
  const Descriptor err(make_capture("stderr"));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("no pipe to a test");
  Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  std::fflush(nullptr);  // or the child prints it again
  const auto begin = Clock::now();
  const pid_t child = ::fork();
  if (child < 0) throw_errno("no process for a test");
  if (child == 0) be_child(work, to.get(), out.get(), err.get());
  to.close();
  ChildResult result;
  AnswerReader reader(from.get(), begin + deadline);
  if (reader.read(result.answer)) result.end = ChildResult::End::answered;
  collect(child, result, reader.late());
  result.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  result.out = read_capture(out.get());
  result.err = read_capture(err.get());
  check_cancelled();
  return result;
}

std::string signal_name(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV (memory that is not its own)";
    case SIGBUS: return "SIGBUS (memory that is not there)";
    case SIGABRT: return "SIGABRT (abort, an uncaught exception or a failed assertion)";
    case SIGFPE: return "SIGFPE (integer division by zero)";
    case SIGILL: return "SIGILL (an instruction that this processor lacks)";
    case SIGKILL: return "SIGKILL (killed, perhaps for its memory)";
    default: return fmt::format("signal {} ({})", signal, ::strsignal(signal));
  }
}

}  // namespace detent::conformance
