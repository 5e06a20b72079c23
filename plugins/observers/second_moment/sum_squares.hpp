// SPDX-License-Identifier: Apache-2.0
// sum_squares: the sum of squares of every slot of one tensor, in parallel through the host.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "../common/scan_ranges.hpp"
#include "../common/slot_values.hpp"
#include <detent/kernels/square_sum.hpp>
#include <detent/sdk.hpp>

namespace detent {

inline void sum_floats(const float* x, std::int64_t first, std::int64_t n, const Slots& slots,
                       std::int64_t first_slot, kernels::SquareSum* out) {
  const auto size = [](std::int64_t v) { return static_cast<std::size_t>(v); };
  for_each_part<true>(
      first, n, slots,
      [&](std::int64_t at, std::int64_t rows, std::int64_t slot) {
        kernels::add_square_columns(x + at, size(rows), size(slots.row_length()),
                                    out + (slot - first_slot));
      },
      [&](std::int64_t at, std::int64_t count, std::int64_t length, std::int64_t slot) {
        kernels::add_squares(x + at, size(count), size(length), out + (slot - first_slot));
      });
}

// Elements that are converted at once: whole rows where these are short.
inline std::int64_t conversion_step(const Slots& slots) {
  constexpr std::int64_t kStep = 16384;
  const std::int64_t row = slots.row_length();
  return row < kStep ? kStep / row * row : kStep;
}

// One task's elements. buffer is for conversions: as long as conversion_step says, or empty for
// f32.
template <class T>
void sum_task(const sdk::TensorView& x, const ScanTask& task, const Slots& slots,
              std::vector<float>& buffer, kernels::SquareSum* out) {
  for_each_piece<T>(x, task.begin, task.end,
                    [&](const T* piece, std::int64_t first, std::int64_t n) {
                      if constexpr (std::is_same_v<T, float>) {
                        sum_floats(piece, first, n, slots, task.first_slot, out);
                      } else {
                        const auto step = static_cast<std::int64_t>(buffer.size());
                        for (std::int64_t i = 0; i < n; i += step) {
                          const std::int64_t some = std::min(step, n - i);
                          to_floats(piece + i, some, buffer.data());
                          sum_floats(buffer.data(), first + i, some, slots, task.first_slot, out);
                        }
                      }
                    });
}

// The carried sum of each slot, in slot order. Sums are exact, so how the work is cut does not
// show.
//
// Errors  UNSUPPORTED (dtype, number of dimensions), CANCELLED
inline std::vector<kernels::SquareSum> sum_squares(const sdk::TensorView& x, const Slots& slots,
                                                   const sdk::Call& call) {
  require_dimensions(x);
  std::int64_t n_partials = 0;
  const std::vector<ScanTask> tasks = cut_into_tasks(slots, &n_partials);
  std::vector<kernels::SquareSum> partials(static_cast<std::size_t>(n_partials));
  const bool known = visit_element_type(x.dtype(), [&]<class T>(const T*) {
    const bool converts = !std::is_same_v<T, float>;
    std::vector<std::vector<float>> buffers(tasks.size());  // f must not throw
    for (auto& buffer : buffers)
      buffer.resize(converts ? static_cast<std::size_t>(conversion_step(slots)) : 0);
    call.parallel_for(tasks.size(), [&](std::uint64_t i) {
      if (!call.cancelled())
        sum_task<T>(x, tasks[i], slots, buffers[i], partials.data() + tasks[i].offset);
    });
  });
  if (!known) throw_unknown_element_type(x.dtype());
  if (call.cancelled()) throw sdk::Error(DETENT_E_CANCELLED, "");

  std::vector<kernels::SquareSum> sums(static_cast<std::size_t>(slots.count()));
  for_each_partial(tasks, partials.size(), [&](std::size_t slot, std::size_t partial) {
    sums[slot].add(partials[partial]);
  });
  return sums;
}

}  // namespace detent
