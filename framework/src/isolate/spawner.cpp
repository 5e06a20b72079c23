// SPDX-License-Identifier: Apache-2.0
#include "isolate/spawner.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "base/spawn.hpp"

namespace detent::isolate {
namespace {

class Spawner {
 public:
  Spawner() {
    std::thread([this] { work(); }).detach();
  }

  int run(std::function<int()> job) {
    std::packaged_task<int()> task(std::move(job));
    std::future<int> result = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
    return result.get();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !tasks_.empty(); });
      std::packaged_task<int()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::packaged_task<int()>> tasks_;
};

}  // namespace

int spawn_to_die_with_us(std::vector<std::string> arguments, std::vector<std::string> variables,
                         const std::vector<int>& given, pid_t* pid) {
  static Spawner& spawner = *new Spawner;  // its thread outlives every static object
  return spawner.run(
      [&] { return spawn_helper(std::move(arguments), std::move(variables), given, pid); });
}

}  // namespace detent::isolate
