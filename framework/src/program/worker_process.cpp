// SPDX-License-Identifier: Apache-2.0
#include "program/worker_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/spawn.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

constexpr int kChannelFd = kFirstGivenFd;  // in the worker
constexpr int kModelFd = kChannelFd + 1;
constexpr int kRingFd = kModelFd + 1;  // when there is one
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

struct TimedOut : std::runtime_error {
  TimedOut() : std::runtime_error("out of time") {}
};

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// LibTorch itself, the model a few times (as it is, changed, being written), and activations.
std::uint64_t memory_limit(std::uint64_t model_bytes) { return 4 * kGiB + 8 * model_bytes; }

// Only what the worker needs: nothing of the caller's environment reaches the model's code.
std::vector<std::string> environment(unsigned threads) {
  // Threads that wait do not spin: there may be fewer processors than threads.
  return {"LC_ALL=C", "TZ=UTC0", "OMP_WAIT_POLICY=PASSIVE",
          fmt::format("OMP_NUM_THREADS={}", threads), fmt::format("MKL_NUM_THREADS={}", threads)};
}

}  // namespace

fs::path worker_executable() { return helper_program("detent-torch", "DETENT_TORCH_WORKER"); }

std::optional<WorkerFacts> describe_worker() {
  WorkerFacts facts;
  facts.path = worker_executable();
  if (facts.path.empty()) return std::nullopt;
  WorkerProcess process({}, {.timeout_seconds = 60});
  const auto take = [&](wire::Message& message) {
    facts.runtime = wire::text_of(message.facts, "runtime");
    facts.isolation = wire::text_of(message.facts, "isolation");
    facts.why_not = wire::text_of(message.facts, "why_not");
    return true;
  };
  process.exchange({}, take, ErrorCode::io, "asking what runs models");
  return facts;
}

WorkerProcess::WorkerProcess(const fs::path& model, const ProgramOptions& options)
    : model_(model), timeout_(options.timeout_seconds) {
  start(model, options);
}

WorkerProcess::~WorkerProcess() { end(); }

void WorkerProcess::start(const fs::path& model, const ProgramOptions& options) {
  const fs::path program = worker_executable();
  if (program.empty())
    throw Error(ErrorCode::io, "this installation has no LibTorch",
                "build with -DDETENT_WITH_TORCH=ON");
  const fs::path opened = model.empty() ? fs::path("/dev/null") : model;
  Descriptor file{::open(opened.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0)
    throw Error(ErrorCode::io, fmt::format("cannot open: {}", system_reason(errno)), "",
                {.file = model.string()});
  const std::uint64_t bytes = model.empty() ? 0 : fs::file_size(model);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw Error(ErrorCode::io, fmt::format("no socket: {}", system_reason(errno)));
  fd_ = ends[0];
  Descriptor theirs{moved_up(ends[1])};
  file.fd = moved_up(file.fd);
  ::fcntl(fd_, F_SETFL, O_NONBLOCK);
  // Without shared memory all data go through the socket.
  std::optional<wire::Ring> ring = model.empty() ? std::nullopt : wire::Ring::create();
  Descriptor shared{ring ? ::fcntl(ring->descriptor(), F_DUPFD_CLOEXEC, 64) : -1};

  std::vector<std::string> arguments{program.string(),
                                     std::to_string(kChannelFd),
                                     std::to_string(kModelFd),
                                     std::to_string(shared.fd >= 0 ? kRingFd : -1),
                                     std::to_string(bytes),
                                     std::to_string(options.threads),
                                     std::to_string(memory_limit(bytes)),
                                     model.empty()         ? "about"
                                     : options.trust_model ? "trust"
                                                           : "sandbox"};
  std::vector<int> given{theirs.fd, file.fd};
  if (shared.fd >= 0) given.push_back(shared.fd);
  const int error = spawn_helper(std::move(arguments), environment(options.threads), given, &pid_);
  if (error != 0) {
    pid_ = -1;
    end();
    throw Error(ErrorCode::io, fmt::format("cannot start: {}", system_reason(error)), "",
                {.file = program.string()});
  }
  channel_ = std::make_unique<wire::Channel>(fd_, memory_limit(bytes),
                                             [this](bool reading) { wait_until_ready(reading); });
  if (shared.fd < 0) return;
  ring->close_descriptor();
  channel_->receive_through(std::move(*ring));
}

void WorkerProcess::check_going_on() const {
  check_cancelled();
  if (std::chrono::steady_clock::now() > deadline_) throw TimedOut();
}

void WorkerProcess::wait_until_ready(bool for_reading) {
  constexpr int kSlice = 50;  // ms
  for (;;) {
    check_going_on();
    pollfd one{fd_, static_cast<short>(for_reading ? POLLIN : POLLOUT), 0};
    const int ready = ::poll(&one, 1, kSlice);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return;
  }
}

void WorkerProcess::exchange(const std::function<void(wire::Channel&)>& send,
                             const std::function<bool(wire::Message&)>& take, ErrorCode code,
                             const std::string& doing) {
  if (channel_ == nullptr) throw_gone(doing);
  deadline_ = std::chrono::steady_clock::now() + timeout_;
  try {
    if (send) send(*channel_);
    for (;;) {
      check_going_on();  // there need not be a wait where the worker is the faster one
      wire::Message message = channel_->receive();
      if (message.facts.contains("error"))
        throw Error(wire::flag_of(message.facts, "hostile") ? ErrorCode::io : code,
                    fmt::format("{}: {}", doing, wire::text_of(message.facts, "error")), "",
                    {.file = model_.string()});
      if (take(message)) return;
    }
  } catch (const wire::Channel::Closed&) {
    throw_gone(doing);
  } catch (const wire::Channel::Broken& e) {
    end();
    throw Error(ErrorCode::io,
                fmt::format("{}: the process that runs it answered nonsense: {}", doing, e.what()),
                "", {.file = model_.string()});
  } catch (const TimedOut&) {
    end();
    throw Error(
        ErrorCode::io,
        fmt::format("{}: it did not come to an end within {} seconds", doing, timeout_.count()),
        "if it is only slow, raise \"runtime\": {\"model_timeout\": ...}",
        {.file = model_.string()});
  }
}

void WorkerProcess::end() noexcept {
  channel_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void WorkerProcess::throw_gone(const std::string& doing) {
  std::string how = "ended";
  int status = 0;
  if (pid_ > 0 && ::waitpid(pid_, &status, 0) == pid_) {
    pid_ = -1;
    if (WIFSIGNALED(status))
      how = fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                        ::strsignal(WTERMSIG(status)));
    else
      how = fmt::format("ended with status {}", WEXITSTATUS(status));
  }
  end();
  throw Error(ErrorCode::io, fmt::format("{}: the process that runs it {}", doing, how),
              "the model's code crashed, or it needs more memory than it is given",
              {.file = model_.string()});
}

}  // namespace detent
