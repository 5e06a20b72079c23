// SPDX-License-Identifier: Apache-2.0
#include "conformance/process_state.hpp"

#include <array>
#include <clocale>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "plugin/fp_mode.hpp"

extern char** environ;

namespace detent::conformance {
namespace {

namespace fs = std::filesystem;

std::string environment() {
  std::string all;
  for (char** e = ::environ; e != nullptr && *e != nullptr; ++e) all += std::string(*e) + '\n';
  return all;
}

std::string signal_handlers() {
  std::string all;
  for (int s = 1; s < 32; ++s) {
    struct sigaction action {};
    if (::sigaction(s, nullptr, &action) != 0) continue;
    all += fmt::format("{}:{} ", s, reinterpret_cast<std::uintptr_t>(action.sa_sigaction));
  }
  return all;
}

std::string blocked_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &set);
  std::string all;
  for (int s = 1; s < 32; ++s) all += ::sigismember(&set, s) != 0 ? '1' : '0';
  return all;
}

std::string file_mask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return fmt::format("{:o}", mask);
}

std::string open_files() {
  std::string all;
  std::error_code error;
  std::map<int, std::string> files;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd", error)) {
    const fs::path to = fs::read_symlink(entry.path(), error);
    if (to.string().find("/proc/") == 0) continue;  // of this very listing
    files[std::stoi(entry.path().filename().string())] = to.string();
  }
  for (const auto& [fd, to] : files) all += fmt::format("{}={} ", fd, to);
  return all;
}

// A line of /proc/self/status in bytes or as a plain number.
std::uint64_t status_field(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;) {
    std::uint64_t value = 0;
    if (word == key && in >> value) return value;
  }
  return 0;
}

}  // namespace

ProcessState ProcessState::now() {
  ProcessState state;
  state.facts_ = {{"the locale", std::setlocale(LC_ALL, nullptr)},
                  {"the working directory", fs::current_path().string()},
                  {"the environment", environment()},
                  {"a signal handler", signal_handlers()},
                  {"the mask of signals", blocked_signals()},
                  {"the umask", file_mask()},
                  {"an open file", open_files()}};
  state.threads_ = count_threads();
  return state;
}

std::string ProcessState::changes_since(const ProcessState& before) const {
  std::string all;
  for (const auto& [what, value] : facts_) {
    const std::string& was = before.facts_.at(what);
    if (value == was) continue;
    const bool is_short = value.size() < 100 && was.size() < 100;
    all += fmt::format("{}{} changed{}", all.empty() ? "" : "; ", what,
                       is_short ? fmt::format(" from {} to {}", was, value) : "");
  }
  return all;
}

int count_threads() { return static_cast<int>(status_field("Threads:")); }
std::uint64_t resident_bytes() { return status_field("VmRSS:") * 1024; }
std::uint64_t peak_bytes() { return status_field("VmHWM:") * 1024; }
std::uint64_t virtual_bytes() { return status_field("VmSize:") * 1024; }

}  // namespace detent::conformance
