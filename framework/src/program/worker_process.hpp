// SPDX-License-Identifier: Apache-2.0
// WorkerProcess: the process in which a model runs, and the connection to it.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>

#include "program/program.hpp"
#include "program/wire.hpp"

namespace detent {

// The worker's executable of this installation; empty when there is none.
std::filesystem::path worker_executable();

struct WorkerFacts {
  std::filesystem::path path;
  std::string runtime;    // "LibTorch 2.13.0"
  std::string isolation;  // what a model would be kept in; empty when there is no sandbox
  std::string why_not;    // then
};

// Starts the worker without a model. nullopt where there is none; errors as below.
std::optional<WorkerFacts> describe_worker();

// Without a model ("") the process tells what it is and ends.
//
// Errors  Error{io}: it could not be started; from exchange: the model's code failed the way a
// process
//         fails (a signal, the limit of memory or time), naming the model
//         Error{interrupted|terminated} when a signal asks to stop
class WorkerProcess {
 public:
  WorkerProcess(const std::filesystem::path& model, const ProgramOptions& options);
  ~WorkerProcess();  // ends the process
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Sends with `send`, then hands what arrives to `take` until that returns true. All of it within
  // the time for one step. An "error" that arrives is Error{code}.
  void exchange(const std::function<void(wire::Channel&)>& send,
                const std::function<bool(wire::Message&)>& take, ErrorCode code,
                const std::string& doing);
  // See wire::Channel::recycle.
  void recycle(std::unique_ptr<HostTensor> tensor) noexcept {
    if (channel_ != nullptr) channel_->recycle(std::move(tensor));
  }

 private:
  void start(const std::filesystem::path& model, const ProgramOptions& options);
  void check_going_on() const;
  void wait_until_ready(bool for_reading);
  void end() noexcept;
  [[noreturn]] void throw_gone(const std::string& doing);

  std::filesystem::path model_;
  std::chrono::seconds timeout_;
  std::chrono::steady_clock::time_point deadline_;
  int fd_ = -1;
  pid_t pid_ = -1;
  std::unique_ptr<wire::Channel> channel_;
};

}  // namespace detent
