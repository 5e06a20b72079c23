// SPDX-License-Identifier: Apache-2.0
// run_tasks: a loop over the host's threads whose body may throw.
#pragma once
#include <atomic>
#include <cstdint>
#include <new>

#include <detent/sdk/call.hpp>

namespace detent::quantizers {

// As much as a thread should get at once. Fixed: tasks must not depend on the number of threads.
constexpr std::int64_t kTaskElements = 65536;

constexpr std::int64_t divide_up(std::int64_t n, std::int64_t by) { return n / by + (n % by != 0); }

// f(task) for each task in [0, n), in any order, on any thread. Nothing may be thrown through the
// host's parallel_for, so what f throws becomes the status of the whole.
//
// Errors    DETENT_E_CANCELLED; DETENT_E_NO_MEMORY for std::bad_alloc; the code of an sdk::Error.
//           Some tasks have not run then
template <class F>
sdk::Status run_tasks(const sdk::Call& call, std::int64_t n, F f) {
  std::atomic<std::int32_t> failed{DETENT_OK};
  call.parallel_for(static_cast<std::uint64_t>(n), [&](std::uint64_t task) {
    if (failed.load(std::memory_order_relaxed) != DETENT_OK) return;
    if (call.cancelled()) {
      failed = DETENT_E_CANCELLED;
      return;
    }
    try {
      f(static_cast<std::int64_t>(task));
    } catch (const sdk::Error& error) {
      failed = error.code();
    } catch (const std::bad_alloc&) {
      failed = DETENT_E_NO_MEMORY;
    } catch (...) {
      failed = DETENT_E_INTERNAL;
    }
  });
  return sdk::Status(failed);
}

}  // namespace detent::quantizers
