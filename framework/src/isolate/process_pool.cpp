// SPDX-License-Identifier: Apache-2.0
#include "isolate/process_pool.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace detent::isolate {
namespace {

constexpr unsigned kMostFailures = 64;

}  // namespace

std::shared_ptr<Process> ProcessPool::take(bool shared) {
  {
    const std::lock_guard lock(mutex_);
    if (shared && shared_ != nullptr && !shared_->is_gone()) return shared_;
    while (!idle_.empty()) {
      std::shared_ptr<Process> process = std::move(idle_.back());
      idle_.pop_back();
      if (process->is_gone()) continue;
      if (shared) shared_ = process;
      return process;
    }
  }
  std::shared_ptr<Process> process = start();
  const std::lock_guard lock(mutex_);
  if (shared) shared_ = process;
  return process;
}

void ProcessPool::give_back(std::shared_ptr<Process> process) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (process == shared_ || process->is_gone()) return;
    idle_.push_back(std::move(process));
  } catch (...) {
    // No memory to remember it: it ends here.
  }
}

std::shared_ptr<Process> ProcessPool::start() {
  if (failures_ >= kMostFailures)
    throw Error(ErrorCode::plugin, fmt::format("failed {} times one after the other, and is not "
                                               "started again",
                                               failures_.load()));
  auto process = std::make_shared<Process>(spec_);
  const Greeting& greeting = process->greeting();
  if (!spec_.sha256.empty() && greeting.sha256 != spec_.sha256)
    throw Error(ErrorCode::plugin, "is not the file any more that was listed");
  const std::lock_guard lock(mutex_);
  if (greeting_ == nullptr) greeting_ = std::make_unique<Greeting>(greeting);
  if (greeting.description != greeting_->description ||
      greeting.functions != greeting_->functions || greeting.isolation != greeting_->isolation)
    throw Error(ErrorCode::plugin, "describes itself otherwise each time");
  return process;
}

Greeting ProcessPool::greeting() {
  if (!has_started()) give_back(take(false));
  const std::lock_guard lock(mutex_);
  return *greeting_;
}

bool ProcessPool::has_started() const {
  const std::lock_guard lock(mutex_);
  return greeting_ != nullptr;
}

}  // namespace detent::isolate
