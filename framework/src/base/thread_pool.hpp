// SPDX-License-Identifier: Apache-2.0
// ThreadPool: the one source of parallelism of a run.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace detent {

class ThreadPool {
 public:
  // 0: as many as the process may use (its CPU affinity). The calling thread is one of them; the
  // others are started by the first parallel_for that has work for them.
  explicit ThreadPool(unsigned threads = 0);
  ~ThreadPool();
  unsigned threads() const;
  // Is the calling thread inside fn of some pool, so that what it asks for runs on itself?
  static bool is_inside();

  // fn(0..n-1), each once, in any order; returns when all are done. The first exception is thrown
  // again here. A call from inside fn runs its own range on the calling thread.
  void parallel_for(std::uint64_t n, const std::function<void(std::uint64_t)>& fn);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detent
