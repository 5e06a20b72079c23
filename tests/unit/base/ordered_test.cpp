// SPDX-License-Identifier: Apache-2.0
#include "base/ordered.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace detent::test {
namespace {

void do_nothing(std::uint64_t, unsigned) {}

// Longer for every third item, so that those behind it are done before it.
void dawdle(std::uint64_t i, unsigned) {
  if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

// What run_in_order throws; "" when nothing.
std::string thrown(ThreadPool& pool, std::uint64_t n, const OrderedSteps& steps) {
  try {
    run_in_order(pool, n, steps);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("items are taken and put in order, and worked on once, whatever the threads") {
  for (const unsigned threads : {1U, 2U, 7U}) {
    ThreadPool pool(threads);
    constexpr std::uint64_t kItems = 200;
    std::vector<std::uint64_t> taken;
    std::vector<std::uint64_t> put;
    std::vector<std::atomic<int>> worked(kItems);
    run_in_order(pool, kItems,
                 {.take = [&](std::uint64_t i, unsigned) { taken.push_back(i); },
                  .work =
                      [&](std::uint64_t i, unsigned w) {
                        dawdle(i, w);
                        ++worked[i];
                      },
                  .put = [&](std::uint64_t i, unsigned) { put.push_back(i); }});
    REQUIRE(taken.size() == kItems);
    REQUIRE(put.size() == kItems);
    for (std::uint64_t i = 0; i < kItems; ++i) {
      CHECK(taken[i] == i);
      CHECK(put[i] == i);
      CHECK(worked[i] == 1);
    }
  }
}

TEST_CASE("no two items share a worker's number at the same time") {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(pool.threads());
  std::atomic<bool> shared{false};
  run_in_order(pool, 300,
               {.take = [&](std::uint64_t, unsigned w) { shared = shared || ++busy[w] != 1; },
                .work = dawdle,
                .put = [&](std::uint64_t, unsigned w) { --busy[w]; }});
  CHECK_FALSE(shared);
}

TEST_CASE("work is done side by side") {
  ThreadPool pool(2);
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  run_in_order(pool, 2,
               {.take = do_nothing,
                .work =
                    [&](std::uint64_t, unsigned) {
                      ++inside;
                      const auto patience =
                          std::chrono::steady_clock::now() + std::chrono::seconds(20);
                      while (inside < 2 && std::chrono::steady_clock::now() < patience)
                        std::this_thread::yield();
                      met = met || inside == 2;
                    },
                .put = do_nothing});
  CHECK(met);
}

TEST_CASE("the first failure in the order of the items is the one that is told") {
  for (const unsigned threads : {1U, 2U, 5U}) {
    ThreadPool pool(threads);
    std::vector<std::uint64_t> put;
    const OrderedSteps steps{.take = do_nothing,
                             .work =
                                 [](std::uint64_t i, unsigned w) {
                                   if (i == 10) dawdle(0, w);
                                   if (i >= 10)
                                     throw std::runtime_error("work " + std::to_string(i));
                                 },
                             .put = [&](std::uint64_t i, unsigned) { put.push_back(i); }};
    CHECK(thrown(pool, 50, steps) == "work 10");
    CHECK(put.size() == 10);
  }
}

TEST_CASE("what cannot be taken is told after what was taken before it, and nothing follows") {
  for (const unsigned threads : {1U, 3U}) {
    ThreadPool pool(threads);
    std::uint64_t most_taken = 0;
    std::vector<std::uint64_t> put;
    const OrderedSteps steps{.take =
                                 [&](std::uint64_t i, unsigned) {
                                   most_taken = i;
                                   if (i == 20) throw std::runtime_error("take");
                                 },
                             .work = dawdle,
                             .put = [&](std::uint64_t i, unsigned) { put.push_back(i); }};
    CHECK(thrown(pool, 50, steps) == "take");
    CHECK(most_taken == 20);
    CHECK(put.size() == 20);
  }
}

TEST_CASE("a failing put ends it, and no items are no work") {
  ThreadPool pool(3);
  const OrderedSteps fails{
      .take = do_nothing, .work = dawdle, .put = [](std::uint64_t i, unsigned) {
        if (i == 4) throw std::runtime_error("put");
      }};
  CHECK(thrown(pool, 50, fails) == "put");
  CHECK(thrown(pool, 0, fails).empty());
}

}  // namespace detent::test
