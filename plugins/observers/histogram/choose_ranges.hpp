// SPDX-License-Identifier: Apache-2.0
// choose_ranges: searches the range of every slot, in parallel through the host.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include <detent/kernels/range_search.hpp>
#include <detent/sdk.hpp>

namespace detent {

enum class Method { kl, mse, percentile };

struct MethodParams {
  Method method;
  double percentile;
};

// The range of each slot, empty where the slot is. Slots do not know of one another, so how the
// work is cut does not show in the result.
//
// Errors  CANCELLED
inline std::vector<kernels::Range> choose_ranges(const std::vector<kernels::Histogram>& slots,
                                                 const kernels::SearchTarget& target,
                                                 const MethodParams& how, const sdk::Call& call) {
  constexpr std::size_t kMaxTasks = 64;
  std::vector<kernels::Range> ranges(slots.size());
  const std::size_t tasks = std::min(slots.size(), kMaxTasks);
  std::size_t bins = 0;
  for (const kernels::Histogram& slot : slots) bins = std::max(bins, slot.counts.size());
  std::vector<kernels::SearchScratch> scratch(tasks);
  for (kernels::SearchScratch& s : scratch) s.reserve(bins);  // f must not throw

  call.parallel_for(tasks, [&](std::uint64_t task) {
    for (std::size_t i = task; i < slots.size() && !call.cancelled(); i += tasks) {
      if (slots[i].empty()) continue;
      switch (how.method) {
        case Method::kl: ranges[i] = search_kl(slots[i], target, scratch[task]); break;
        case Method::mse: ranges[i] = search_mse(slots[i], target, scratch[task]); break;
        case Method::percentile:
          ranges[i] = search_percentile(slots[i], target, how.percentile);
          break;
      }
    }
  });
  if (call.cancelled()) throw sdk::Error(DETENT_E_CANCELLED, "");
  return ranges;
}

}  // namespace detent
