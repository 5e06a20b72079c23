// SPDX-License-Identifier: Apache-2.0
#include "base/ordered.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>

namespace detent {
namespace {

class OrderedRun {
 public:
  OrderedRun(std::uint64_t n, const OrderedSteps& steps) : n_(n), steps_(steps) {}

  void worker(unsigned number) noexcept {
    std::uint64_t i = 0;
    std::exception_ptr error;
    while (next(number, i, error)) {
      // What could not be taken waits for its turn too: what fails before it is told instead.
      if (error == nullptr) error = caught([&] { steps_.work(i, number); });
      if (!wait_for_turn(i)) return;
      if (error == nullptr) error = caught([&] { steps_.put(i, number); });
      end_turn(error);
    }
  }

  void rethrow() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
  }

 private:
  template <class F>
  static std::exception_ptr caught(const F& step) noexcept {
    try {
      step();
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  // Takes the next item, or fails to; false when there is none.
  bool next(unsigned number, std::uint64_t& i, std::exception_ptr& error) noexcept {
    const std::lock_guard lock(taking_);
    if (stop_.load() || taken_ == n_) return false;
    i = taken_++;
    error = caught([&] { steps_.take(i, number); });
    if (error != nullptr) taken_ = n_;
    return true;
  }

  // False when an item before it has failed.
  bool wait_for_turn(std::uint64_t i) noexcept {
    std::unique_lock lock(putting_);
    turned_.wait(lock, [&] { return turn_ == i || error_ != nullptr; });
    return error_ == nullptr;
  }

  void end_turn(const std::exception_ptr& error) noexcept {
    {
      const std::lock_guard lock(putting_);
      ++turn_;
      error_ = error;
    }
    if (error != nullptr) stop_ = true;
    turned_.notify_all();
  }

  const std::uint64_t n_;
  const OrderedSteps& steps_;
  std::atomic<bool> stop_{false};
  std::mutex taking_;  // held while an item is taken
  std::uint64_t taken_ = 0;
  std::mutex putting_;  // of the two below
  std::condition_variable turned_;
  std::uint64_t turn_ = 0;
  std::exception_ptr error_;
};

}  // namespace

void run_in_order(ThreadPool& pool, std::uint64_t n, const OrderedSteps& steps) {
  OrderedRun run(n, steps);
  const std::uint64_t workers = std::min<std::uint64_t>(n, pool.threads());
  // Each of these indices is one worker: it stays until there is nothing left to take.
  pool.parallel_for(workers,
                    [&](std::uint64_t number) { run.worker(static_cast<unsigned>(number)); });
  run.rethrow();
}

}  // namespace detent
