// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.hpp"

#include <atomic>
#include <mutex>
#include <sched.h>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace detent;

TEST_CASE("parallel_for calls each index once, whatever the number of threads") {
  for (const unsigned threads : {1U, 2U, 3U, 8U}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const std::uint64_t n : {0U, 1U, 2U, 7U, 1000U, 100003U}) {
      std::vector<std::atomic<int>> calls(n);
      pool.parallel_for(n, [&](std::uint64_t i) { ++calls[i]; });
      bool once = true;
      for (const auto& c : calls) once = once && c == 1;
      CAPTURE(threads, n);
      CHECK(once);
    }
  }
}

TEST_CASE("parallel_for uses other threads beside the caller's") {
  ThreadPool pool(3);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> waiting{0};
  pool.parallel_for(3, [&](std::uint64_t) {
    ++waiting;
    while (waiting < 3) std::this_thread::yield();  // ends only when three threads are here
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  CHECK(seen.size() == 3);
  CHECK(seen.count(std::this_thread::get_id()) == 1);
}

TEST_CASE("an exception of a call is thrown again and the pool works on") {
  for (const unsigned threads : {1U, 4U}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::string text;
      try {
        pool.parallel_for(1000, [](std::uint64_t i) {
          if (i == 500) throw std::runtime_error("at 500");
        });
      } catch (const std::runtime_error& e) {
        text = e.what();
      }
      CHECK(text == "at 500");
    }
    std::atomic<int> n{0};
    pool.parallel_for(100, [&](std::uint64_t) { ++n; });
    CHECK(n == 100);
  }
}

TEST_CASE("after an exception no further index is begun") {
  ThreadPool pool(2);
  std::atomic<int> calls{0};
  CHECK_THROWS(pool.parallel_for(1000000, [&](std::uint64_t) {
    ++calls;
    throw std::runtime_error("stop");
  }));
  CHECK(calls <= 2);  // one for each thread
}

TEST_CASE("a nested call runs its range on the thread that asks") {
  ThreadPool pool(3);
  std::atomic<int> elsewhere{0};
  std::atomic<int> total{0};
  pool.parallel_for(64, [&](std::uint64_t) {
    const std::thread::id outer = std::this_thread::get_id();
    pool.parallel_for(16, [&](std::uint64_t) {
      ++total;
      if (std::this_thread::get_id() != outer) ++elsewhere;
    });
  });
  CHECK(total == 64 * 16);
  CHECK(elsewhere == 0);
}

TEST_CASE("callers on several threads take turns") {
  ThreadPool pool(3);
  std::atomic<std::uint64_t> sum{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.parallel_for(100, [&](std::uint64_t i) { sum += i; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 4ULL * 50 * 4950);
}

TEST_CASE("a pool of the usual size has one thread for each CPU the process may use") {
  cpu_set_t before;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  CHECK(ThreadPool().threads() == static_cast<unsigned>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &before) && CPU_COUNT(&one) == 0) CPU_SET(cpu, &one);
  }
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(ThreadPool().threads() == 1);
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("pools are made and ended without work as well") {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
}
