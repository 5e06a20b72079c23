// SPDX-License-Identifier: Apache-2.0
// run_in_order: items that come and go in order and are worked on side by side.
#pragma once
#include <cstdint>
#include <functional>

#include "base/thread_pool.hpp"

namespace detent {

// What happens to item i on the worker of that number; workers are numbered from 0 to
// pool.threads() - 1 and have one item at a time, so that buffers can belong to a worker.
struct OrderedSteps {
  using Step = std::function<void(std::uint64_t i, unsigned worker)>;
  Step take;  // one item at a time, in order: reading a file from its beginning to its end
  Step work;  // any number at a time
  Step put;   // one item at a time, in order: as if there were one thread
};

// Takes, works on and puts the items 0 .. n - 1. The first step that throws, in the order of the
// items, ends it: that is rethrown, as it would be with one thread, and no item behind it is put.
void run_in_order(ThreadPool& pool, std::uint64_t n, const OrderedSteps& steps);

}  // namespace detent
