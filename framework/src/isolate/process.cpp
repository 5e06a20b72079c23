// SPDX-License-Identifier: Apache-2.0
#include "isolate/process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <detent/abi/base.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>

#include "base/byte_stream.hpp"
#include "base/cancel.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/spawn.hpp"
#include "base/text.hpp"
#include "isolate/protocol.hpp"
#include "isolate/spawner.hpp"

namespace detent::isolate {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::uint64_t kMostPlugins = 1024;
constexpr std::chrono::seconds kLeastToLoad{10};
constexpr std::chrono::seconds kMostToLoad{60};

struct TimedOut {};
struct Cancelled {};

// Unless it was said: enough for any plugin, and some copies of what it works on in wider types.
std::uint64_t memory_for(const IsolationLimits& limits, std::uint64_t shown_bytes) {
  if (limits.memory != 0) return limits.memory;
  return 2 * kGiB + 8 * std::min(shown_bytes, UINT64_MAX / 16);
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? fmt::format("signal {} (SIG{})", number, name)
                         : fmt::format("signal {}", number);
}

}  // namespace

std::filesystem::path worker_program() {
  return helper_program("detent-plugin-worker", "DETENT_PLUGIN_WORKER");
}

Process::Process(const ProcessSpec& spec) : limits_(spec.limits) {
  try {
    spawn(spec);
    start("loading", std::clamp<std::chrono::seconds>(limits_.timeout, kLeastToLoad, kMostToLoad));
    greet();
  } catch (const Failure& failure) {
    check_cancelled();
    throw Error(ErrorCode::plugin, failure.text.substr(0, failure.text.find('\n')));
  } catch (...) {
    end();
    throw;
  }
}

Process::~Process() { end(); }

void Process::spawn(const ProcessSpec& spec) {
  const std::filesystem::path program = worker_program();
  if (program.empty())
    throw Error(
        ErrorCode::plugin,
        "cannot run in a process of its own: this installation has no detent-plugin-worker");
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw Error(ErrorCode::plugin, fmt::format("no socket: {}", system_reason(errno)));
  Descriptor ours(ends[0]);
  const Descriptor theirs(moved_up(ends[1]));
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  memory_ = memory_for(limits_, 0);
  const int error =
      spawn_to_die_with_us({program.string(), std::to_string(kFirstGivenFd), spec.library.string(),
                            spec.sha256, spec.sealed ? "sealed" : "file", std::to_string(memory_)},
                           {"LC_ALL=C", "TZ=UTC0"}, {theirs.get()}, &pid_);
  if (error != 0) {
    pid_ = -1;
    throw Error(ErrorCode::plugin, fmt::format("{} cannot be started: {}",
                                               printable(program.string()), system_reason(error)));
  }
  link_ = std::make_unique<Link>(std::move(ours), [this](bool reading) { wait(reading); });
}

void Process::greet() {
  const std::string message = receive();
  ByteReader in(message);
  try {
    const std::string error(in.text());
    if (!error.empty()) fail({DETENT_E_INTERNAL, printable(error)});
    greeting_.sha256 = in.text();
    greeting_.description = in.text();
    greeting_.isolation = in.text();
    greeting_.why_not = printable(in.text());
    const std::uint64_t plugins = in.number();
    if (plugins > kMostPlugins) fail_nonsense("more plugins than a library can have");
    for (std::uint64_t i = 0; i < plugins; ++i) greeting_.functions.push_back(in.number());
  } catch (const ByteReader::Truncated&) {
    fail_nonsense("a greeting that ends too early");
  }
}

void Process::wait(bool for_reading) {
  constexpr int kSlice = 50;  // ms
  for (;;) {
    if (cancelled_by() != 0) throw Cancelled();
    if (std::chrono::steady_clock::now() > deadline_) throw TimedOut();
    pollfd one{link_->socket(), static_cast<short>(for_reading ? POLLIN : POLLOUT), 0};
    const int ready = ::poll(&one, 1, kSlice);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return;
  }
}

template <class F>
auto Process::guarded(F&& f) {
  if (link_ == nullptr)
    throw Failure{DETENT_E_CRASHED,
                  fmt::format("has no process any more for {}: {}", operation_, last_.text)};
  try {
    return f();
  } catch (const Cancelled&) {
    fail({DETENT_E_CANCELLED, ""});
  } catch (const TimedOut&) {
    fail({DETENT_E_TIMEOUT,
          fmt::format("gave no answer to {} within {:.3g} s, and was ended\n"
                      "if it is only slow, raise \"runtime\": {{\"plugin_timeout\": ...}}",
                      operation_, std::chrono::duration<double>(time_).count())});
  } catch (const Link::Closed&) {
    fail({DETENT_E_CRASHED, how_it_ended()});
  } catch (const Link::Broken& e) {
    fail_nonsense(e.what());
  }
}

void Process::start(const char* operation, std::chrono::milliseconds time) {
  operation_ = operation;
  time_ = time;
  deadline_ = std::chrono::steady_clock::now() + time;
}

void Process::give_input(std::uint64_t bytes) {
  if (input_ != nullptr && input_->size() >= bytes) return;
  std::uint64_t size = kSegment;
  while (size < bytes) size *= 2;
  input_ =
      std::make_unique<SharedMemory>(SharedMemory::create(size, SharedMemory::Written::by_host));
  input_is_new_ = true;
}

void Process::send(std::string_view message) {
  guarded([&] { link_->send(message, input_is_new_ ? input_->descriptor().get() : -1); });
  if (input_is_new_) input_->close_descriptor();
  input_is_new_ = false;
}

std::string Process::receive() {
  return guarded([&] { return std::move(link_->receive().bytes); });
}

void Process::give_memory(std::uint64_t bytes) {
  const std::uint64_t last = results_.empty() ? 0 : results_.back().size();
  std::uint64_t size = std::max(kSegment, last);
  while (size < bytes || size <= last) size *= 2;
  ByteWriter answer;
  try {
    if (bytes > memory_) throw std::bad_alloc();
    results_.push_back(SharedMemory::create(size, SharedMemory::Written::by_worker));
    answer.number(1);
  } catch (const std::bad_alloc&) {
    answer.number(0);
    return guarded([&] { link_->send(answer.bytes()); });
  }
  guarded([&] { link_->send(answer.bytes(), results_.back().descriptor().get()); });
  results_.back().close_descriptor();
}

void Process::raise_memory(std::uint64_t shown_bytes) {
  const std::uint64_t wanted = memory_for(limits_, shown_bytes);
  if (wanted <= memory_ || pid_ <= 0) return;
  rlimit now{};
  if (::prlimit(pid_, RLIMIT_DATA, nullptr, &now) != 0) return;
  now.rlim_cur = std::min<rlim_t>(wanted, now.rlim_max);
  if (::prlimit(pid_, RLIMIT_DATA, &now, nullptr) == 0) memory_ = wanted;
}

std::string Process::out_of_memory() const {
  return fmt::format(
      "ran out of memory in {}: it may use {}\n"
      "to give it more: \"runtime\": {{\"plugin_memory\": ...}}",
      operation_, human_bytes(memory_));
}

void Process::fail(Failure why) {
  end();
  last_ = why;
  throw why;
}

void Process::fail_nonsense(const std::string& what) {
  fail({DETENT_E_CRASHED, fmt::format("answered {} with what is no answer ({}), and was ended\n"
                                      "the plugin damaged its own process: report it to its vendor",
                                      operation_, what)});
}

void Process::finish() {
  if (input_ != nullptr && input_->size() > kKeptSegment) input_.reset();
  if (!results_.empty() && results_.back().size() > kKeptSegment) results_.clear();
  if (results_.size() > 1) results_.erase(results_.begin(), results_.end() - 1);
}

bool Process::is_gone() { return is_over(false); }

// Reaps it, once; who asks for that and who works with it may be two threads.
bool Process::is_over(bool waits) {
  const std::lock_guard lock(life_);
  if (pid_ <= 0) return true;
  for (;;) {
    const pid_t found = ::wait4(pid_, &status_, waits ? 0 : WNOHANG, &used_);
    if (found == 0) return false;
    if (found < 0 && errno == EINTR) continue;
    pid_ = -1;
    return true;
  }
}

void Process::kill() {
  const std::lock_guard lock(life_);
  if (pid_ <= 0) return;  // 0 and -1 would be everybody
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
}

// The connection is closed, or closes: the process ends, or has ended.
std::string Process::how_it_ended() {
  constexpr const char* kHint =
      "\nthe plugin crashed in a process of its own: report it to its vendor";
  // It is about to end; one that closed the connection and lives on is ended.
  constexpr std::chrono::milliseconds kGrace{1000};
  const auto until = std::chrono::steady_clock::now() + kGrace;
  while (!is_over(false) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill();
  is_over(true);
  std::string how =
      WIFSIGNALED(status_)
          ? fmt::format("was killed by {} in {}", signal_name(WTERMSIG(status_)), operation_)
          : fmt::format("ended its process with status {} in {}", WEXITSTATUS(status_), operation_);
  const std::uint64_t most = static_cast<std::uint64_t>(used_.ru_maxrss) * 1024;
  if (most >= memory_ / 10 * 9)
    how += fmt::format(", out of the {} of memory that it may use", human_bytes(memory_));
  return how + kHint;
}

void Process::end() noexcept {
  link_.reset();
  input_.reset();
  results_.clear();
  kill();
  is_over(true);
}

}  // namespace detent::isolate
