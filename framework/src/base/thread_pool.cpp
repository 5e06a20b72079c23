// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <sched.h>
#include <system_error>
#include <thread>
#include <vector>

namespace detent {
namespace {

constexpr unsigned kMaxThreads = 1024;

// True on a thread that is inside fn: what it asks for then runs on itself.
thread_local bool inside_parallel_for = false;

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  }
  return std::max(1U, std::thread::hardware_concurrency());  // more CPUs than a cpu_set_t holds
}

// One parallel_for: lives on the caller's stack until the last worker has left it.
struct Job {
  std::uint64_t n = 0;
  std::uint64_t step = 1;
  const std::function<void(std::uint64_t)>* fn = nullptr;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // of the thread that set failed

  void work() noexcept {
    inside_parallel_for = true;
    while (!failed.load(std::memory_order_relaxed)) {
      const std::uint64_t begin = next.fetch_add(step, std::memory_order_relaxed);
      if (begin >= n) break;
      run(begin, begin + std::min(step, n - begin));
    }
    inside_parallel_for = false;
  }

 private:
  void run(std::uint64_t begin, std::uint64_t end) noexcept {
    try {
      for (std::uint64_t i = begin; i < end; ++i) (*fn)(i);
    } catch (...) {
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }
};

}  // namespace

struct ThreadPool::State {
  std::mutex one_job;  // callers on different threads take turns
  std::mutex mutex;    // of everything below
  std::condition_variable wake;
  std::condition_variable left;
  Job* job = nullptr;
  std::uint64_t generation = 0;
  std::size_t running = 0;  // workers that have not left the current job
  bool stopping = false;
  std::vector<std::thread> workers;  // changes under one_job only
  std::atomic<unsigned> threads{1};  // the caller and its workers, those not started yet too

  // Threads cost more than what most commands do: they are made for the first job.
  void start() {
    const std::size_t wanted = threads - 1;
    if (workers.size() == wanted) return;
    workers.reserve(wanted);
    try {
      while (workers.size() < wanted) workers.emplace_back([this] { worker(); });
    } catch (const std::system_error&) {
      // The system's limit on threads: the ones that there are do the work.
      threads = static_cast<unsigned>(workers.size()) + 1;
    }
  }

  void worker() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stopping || generation != seen; });
      if (stopping) return;
      seen = generation;
      Job* mine = job;
      lock.unlock();
      mine->work();
      lock.lock();
      if (--running == 0) left.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    for (std::thread& t : workers) t.join();
    workers.clear();
  }
};

ThreadPool::ThreadPool(unsigned threads) : state_(std::make_unique<State>()) {
  state_->threads = std::min(threads == 0 ? usable_cpus() : threads, kMaxThreads);
}

ThreadPool::~ThreadPool() { state_->stop(); }

unsigned ThreadPool::threads() const { return state_->threads; }

bool ThreadPool::is_inside() { return inside_parallel_for; }

void ThreadPool::parallel_for(std::uint64_t n, const std::function<void(std::uint64_t)>& fn) {
  if (inside_parallel_for || threads() == 1 || n <= 1) {
    for (std::uint64_t i = 0; i < n; ++i) fn(i);
    return;
  }
  const std::lock_guard turn(state_->one_job);
  state_->start();
  Job job;
  job.n = n;
  job.step = std::max<std::uint64_t>(1, n / (std::uint64_t{threads()} * 16));
  job.fn = &fn;
  {
    const std::lock_guard lock(state_->mutex);
    state_->job = &job;
    ++state_->generation;
    state_->running = state_->workers.size();
  }
  state_->wake.notify_all();
  job.work();
  std::unique_lock lock(state_->mutex);
  state_->left.wait(lock, [&] { return state_->running == 0; });
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace detent
