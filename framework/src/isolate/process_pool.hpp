// SPDX-License-Identifier: Apache-2.0
// ProcessPool: the processes of one library.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "isolate/process.hpp"
#include "plugin/host.hpp"

namespace detent::isolate {

// Who has a process has it alone, so that what ends it is what that one did, and threads do not
// wait for one another; who asks for the shared one (observers of activations, of which a run has
// as many as layers and calls one at a time) has it with others.
//
// Threads  any
class ProcessPool {
 public:
  ProcessPool(ProcessSpec spec, std::shared_ptr<HostServices> services)
      : spec_(std::move(spec)), services_(std::move(services)) {}

  // Errors  those of Process; Error{plugin} when it fails again and again, or another library came
  std::shared_ptr<Process> take(bool shared);
  void give_back(std::shared_ptr<Process> process) noexcept;
  // How calls end: after many that failed one after the other, no process is started any more.
  void note(bool answered) { failures_ = answered ? 0 : failures_ + 1; }

  const ProcessSpec& spec() const { return spec_; }
  HostServices& services() const { return *services_; }
  const std::shared_ptr<HostServices>& shared_services() const { return services_; }
  // Of its processes, which are all alike. Starts one when there was none yet.
  Greeting greeting();
  bool has_started() const;

 private:
  std::shared_ptr<Process> start();

  ProcessSpec spec_;
  std::shared_ptr<HostServices> services_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Process>> idle_;
  std::shared_ptr<Process> shared_;
  std::unique_ptr<Greeting> greeting_;
  std::atomic<unsigned> failures_{0};
};

}  // namespace detent::isolate
