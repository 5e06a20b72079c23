// SPDX-License-Identifier: Apache-2.0
// scan_ranges: the range of the finite values of every slot of one tensor.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "pieces.hpp"
#include "slots.hpp"
#include <detent/kernels/finite_range.hpp>
#include <detent/sdk.hpp>

namespace detent {

// Errors  UNSUPPORTED: more dimensions than a walk over them holds
inline void require_dimensions(const sdk::TensorView& x) {
  if (x.ndim() > kMaxDims)
    throw sdk::Error(DETENT_E_UNSUPPORTED, "observers take at most " + std::to_string(kMaxDims) +
                                               " dimensions, not " + std::to_string(x.ndim()));
}

[[noreturn]] inline void throw_unknown_element_type(detent_dtype dtype) {
  throw sdk::Error(DETENT_E_UNSUPPORTED,
                   "observers take f32, f64, f16, bf16 and integers of 8 to 64 bits, not dtype " +
                       std::to_string(dtype));
}

// What one task of a parallel scan reads and where its partial results lie.
struct ScanTask {
  std::int64_t begin;
  std::int64_t end;
  std::int64_t first_slot;  // of partial result `offset`
  std::int64_t offset;
};

// Cuts a tensor into tasks of at least 65536 elements. The cut depends on the shape only, so
// results do not depend on the number of threads. *partials is the number of partial results of all
// of them.
inline std::vector<ScanTask> cut_into_tasks(const Slots& slots, std::int64_t* partials) {
  constexpr std::int64_t kElements = 65536;
  constexpr std::int64_t kMaxTasks = 256;
  const auto up = [](std::int64_t a, std::int64_t b) { return (a - 1) / b + 1; };
  std::int64_t step = std::max(kElements, up(slots.elements(), kMaxTasks));
  if (slots.repeats()) {
    // Each task holds a result for every slot: enough rows that these are few beside the data.
    const std::int64_t rows = std::max(up(step, slots.row_length()), up(64, slots.run_length()));
    step = std::min(rows, up(slots.elements(), slots.row_length())) * slots.row_length();
  }
  std::vector<ScanTask> tasks;
  *partials = 0;
  for (std::int64_t begin = 0; begin < slots.elements(); begin += step) {
    const std::int64_t end = std::min(begin + step, slots.elements());
    const std::int64_t first = slots.repeats() ? 0 : slots.slot_of(begin);
    tasks.push_back({begin, end, first, *partials});
    *partials += slots.repeats() ? slots.count() : slots.slot_of(end - 1) - first + 1;
  }
  return tasks;
}

// f(slot, partial) for every partial result of these tasks, in their order.
template <class F>
void for_each_partial(const std::vector<ScanTask>& tasks, std::size_t partials, F&& f) {
  std::size_t k = 0;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const auto slot = static_cast<std::size_t>(tasks[t].first_slot);
    const std::size_t begin = k;
    const std::size_t end =
        t + 1 < tasks.size() ? static_cast<std::size_t>(tasks[t + 1].offset) : partials;
    for (; k < end; ++k) f(slot + (k - begin), k);
  }
}

// Cuts n elements that start at `first` into parts for kernels:
//   columns(at, rows, slot)      `rows` whole rows, of which each element is of another slot
//   runs(at, count, length, slot)  `count` runs, of slots that follow one another
// with `at` counted from `first`. Without kColumns there are runs only.
template <bool kColumns, class Columns, class Runs>
void for_each_part(std::int64_t first, std::int64_t n, const Slots& slots, Columns&& columns,
                   Runs&& runs) {
  const std::int64_t run = slots.run_length();
  const std::int64_t row = slots.row_length();
  for (std::int64_t i = 0; i < n;) {
    const std::int64_t slot = slots.slot_of(first + i);
    const std::int64_t in_row = (first + i) % row;
    if (kColumns && run == 1 && in_row == 0 && slots.repeats() && n - i >= row) {
      columns(i, (n - i) / row, slot);  // channels come last
      i += (n - i) / row * row;
      continue;
    }
    const std::int64_t left = std::min(n - i, row - in_row);
    const std::int64_t to_end_of_run = run - in_row % run;
    const bool whole = to_end_of_run == run && left >= run;
    const std::int64_t taken = whole ? left / run * run : std::min(left, to_end_of_run);
    runs(i, whole ? taken / run : 1, whole ? run : taken, slot);
    i += taken;
  }
}

// Adds n elements that start at `first`; out[0] is the result of slot first_slot.
template <class T>
void scan_piece(const T* x, std::int64_t first, std::int64_t n, const Slots& slots,
                std::int64_t first_slot, kernels::FiniteRange* out) {
  const auto size = [](std::int64_t v) { return static_cast<std::size_t>(v); };
  constexpr bool kColumns = !std::is_integral_v<T>;
  for_each_part<kColumns>(
      first, n, slots,
      [&](std::int64_t at, std::int64_t rows, std::int64_t slot) {
        if constexpr (kColumns)
          kernels::finite_columns(x + at, size(rows), size(slots.row_length()),
                                  out + (slot - first_slot));
      },
      [&](std::int64_t at, std::int64_t count, std::int64_t length, std::int64_t slot) {
        kernels::finite_ranges(x + at, size(count), size(length), out + (slot - first_slot));
      });
}

// The range of each slot, in slot order. Parallel through the host.
//
// Errors  UNSUPPORTED (dtype, number of dimensions), CANCELLED
inline std::vector<kernels::FiniteRange> scan_ranges(const sdk::TensorView& x, const Slots& slots,
                                                     const sdk::Call& call) {
  require_dimensions(x);
  std::int64_t n_partials = 0;
  const std::vector<ScanTask> tasks = cut_into_tasks(slots, &n_partials);
  std::vector<kernels::FiniteRange> partials(static_cast<std::size_t>(n_partials));
  const bool known = visit_element_type(x.dtype(), [&]<class T>(const T*) {
    call.parallel_for(tasks.size(), [&](std::uint64_t i) {
      const ScanTask& task = tasks[i];
      if (call.cancelled()) return;
      for_each_piece<T>(
          x, task.begin, task.end, [&](const T* piece, std::int64_t first, std::int64_t n) {
            scan_piece(piece, first, n, slots, task.first_slot, partials.data() + task.offset);
          });
    });
  });
  if (!known) throw_unknown_element_type(x.dtype());
  if (call.cancelled()) throw sdk::Error(DETENT_E_CANCELLED, "");

  std::vector<kernels::FiniteRange> ranges(static_cast<std::size_t>(slots.count()));
  for_each_partial(tasks, partials.size(), [&](std::size_t slot, std::size_t partial) {
    ranges[slot].include(partials[partial]);
  });
  return ranges;
}

}  // namespace detent
