// SPDX-License-Identifier: Apache-2.0
// count_batch: the histogram of every slot of one tensor, counted in parallel through the host.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "../common/pieces.hpp"
#include "../common/slots.hpp"
#include <detent/kernels/finite_range.hpp>
#include <detent/kernels/histogram_count.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Counts are integers, so how the work is cut does not show in the result.
template <class T>
class BatchCounter {
 public:
  // The histograms have the grids of their slots' ranges, and zero counts.
  BatchCounter(const sdk::TensorView& x, const Slots& slots, const sdk::Call& call,
               std::vector<kernels::Histogram>& out)
      : x_(x), slots_(slots), call_(call), out_(out) {}

  void run() { out_.size() == 1 ? count_one_slot() : count_slots(); }

 private:
  static constexpr std::int64_t kMaxTasks = 16;
  static constexpr std::int64_t kTaskElements = 65536;  // at least
  static constexpr std::int64_t kBlock = 1 << 20;       // between two looks at `cancelled`

  static std::int64_t share(std::int64_t total, std::int64_t task, std::int64_t tasks) {
    return total / tasks * task + std::min(total % tasks, task);
  }

  // count(const T* x, slot, n) for each run in the elements [begin, end).
  template <class F>
  void visit(std::int64_t begin, std::int64_t end, F&& count) const {
    for (; begin < end && !call_.cancelled(); begin += kBlock)
      for_each_piece<T>(x_, begin, std::min(begin + kBlock, end),
                        [&](const T* piece, std::int64_t first, std::int64_t n) {
                          slots_.for_each_run(
                              first, first + n,
                              [&](std::int64_t slot, std::int64_t at, std::int64_t length) {
                                count(piece + (at - first), static_cast<std::size_t>(slot),
                                      static_cast<std::size_t>(length));
                              });
                        });
  }

  // Every task counts into two tables of its own.
  void count_one_slot() {
    kernels::Histogram& h = out_[0];
    const std::int64_t tasks =
        std::clamp<std::int64_t>(slots_.elements() / kTaskElements, 1, kMaxTasks);
    const std::size_t bins = h.counts.size();
    std::vector<std::uint64_t> tables(static_cast<std::size_t>(tasks) * 2 * bins);
    call_.parallel_for(static_cast<std::uint64_t>(tasks), [&](std::uint64_t task) {
      std::uint64_t* const even = tables.data() + task * 2 * bins;
      const auto at = static_cast<std::int64_t>(task);
      visit(share(slots_.elements(), at, tasks), share(slots_.elements(), at + 1, tasks),
            [&](const T* x, std::size_t, std::size_t n) {
              kernels::count_bins(x, n, h.grid, even, even + bins);
            });
    });
    for (std::size_t i = 0; i < tables.size(); ++i) h.counts[i % bins] += tables[i];
  }

  // Every task counts all elements of its slots, in place: slots are not shared between tasks.
  void count_slots() {
    const std::int64_t runs = (slots_.row_length() - 1) / slots_.run_length() + 1;
    const std::int64_t rows = slots_.repeats() ? slots_.elements() / slots_.row_length() : 1;
    // A task reads a part of every row: not less than is worth going there.
    const std::int64_t per_row = slots_.elements() / rows / 256;
    const std::int64_t tasks = std::clamp<std::int64_t>(
        std::min({slots_.elements() / kTaskElements, per_row, slots_.count()}), 1, kMaxTasks);
    const auto begin_of = [&](std::int64_t slot) {
      if (slot == slots_.count()) return slots_.elements() / rows;
      return slot / runs * slots_.row_length() + slot % runs * slots_.run_length();
    };
    call_.parallel_for(static_cast<std::uint64_t>(tasks), [&](std::uint64_t task) {
      const auto at = static_cast<std::int64_t>(task);
      const std::int64_t begin = begin_of(share(slots_.count(), at, tasks));
      const std::int64_t end = begin_of(share(slots_.count(), at + 1, tasks));
      for (std::int64_t row = 0; row < rows; ++row)
        visit(row * slots_.row_length() + begin, row * slots_.row_length() + end,
              [&](const T* x, std::size_t slot, std::size_t n) {
                kernels::Histogram& h = out_[slot];
                kernels::count_bins(x, n, h.grid, h.counts.data(), h.counts.data());
              });
    });
  }

  sdk::TensorView x_;
  const Slots& slots_;
  const sdk::Call& call_;
  std::vector<kernels::Histogram>& out_;
};

// Requires the ranges that scan_ranges found in the same tensor.
// Errors  CANCELLED
inline std::vector<kernels::Histogram> count_batch(const sdk::TensorView& x, const Slots& slots,
                                                   const std::vector<kernels::FiniteRange>& ranges,
                                                   std::int64_t bins, const sdk::Call& call) {
  std::vector<kernels::Histogram> out;
  out.reserve(ranges.size());
  for (const kernels::FiniteRange& range : ranges)
    out.push_back(kernels::make_histogram(range.range, bins));
  visit_element_type(x.dtype(),
                     [&]<class T>(const T*) { BatchCounter<T>(x, slots, call, out).run(); });
  if (call.cancelled()) throw sdk::Error(DETENT_E_CANCELLED, "");
  return out;
}

}  // namespace detent
