// SPDX-License-Identifier: Apache-2.0
// clip_ranges: searches the range of every slot of one weight, in parallel through the host.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "scan_ranges.hpp"
#include "slot_values.hpp"
#include <detent/kernels/clip_search.hpp>
#include <detent/kernels/power_error.hpp>
#include <detent/sdk.hpp>

namespace detent {

struct ClipRules {
  kernels::ClipGrid grid;
  double norm;
};

// The error of a slot is the sum, in order, of those of its blocks of kBlock elements, whoever adds
// them up; a slot that is one block is searched by one task, the blocks of a longer one are shared
// out. Which of the two follows from the shape, so results do not depend on the number of threads.
template <class T>
class ClipRanges {
 public:
  ClipRanges(const sdk::TensorView& x, const sdk::TensorView* importance, const Slots& slots,
             const kernels::SearchTarget& target, const ClipRules& rules, const sdk::Call& call)
      : x_(x),
        importance_(importance),
        slots_(slots),
        target_(target),
        rules_(rules),
        call_(call) {}

  // Empty ranges stay empty.
  std::vector<kernels::Range> run(const std::vector<kernels::FiniteRange>& found) const {
    std::vector<kernels::Range> ranges(found.size());
    const std::int64_t longest = slots_.length_of(0);
    const std::int64_t tasks =
        std::min(kMaxTasks, longest <= kBlock ? slots_.count() : (longest - 1) / kBlock + 1);
    std::vector<SlotBuffer> buffers;
    for (std::int64_t t = 0; t < tasks; ++t)
      buffers.emplace_back(std::min(longest, kBlock), importance_ != nullptr);
    if (longest <= kBlock) {
      call_.parallel_for(buffers.size(), [&](std::uint64_t task) {
        for (std::size_t i = task; i < found.size() && !call_.cancelled(); i += buffers.size())
          if (!found[i].range.empty()) ranges[i] = search_short(i, found[i].range, buffers[task]);
      });
    } else {
      for (std::size_t i = 0; i < found.size() && !call_.cancelled(); ++i)
        if (!found[i].range.empty()) ranges[i] = search_long(i, found[i].range, buffers);
    }
    return ranges;
  }

 private:
  static constexpr std::int64_t kBlock = 65536;
  static constexpr std::int64_t kMaxTasks = 16;

  // In units of a power of two near the largest value, which is a float32 when it is quantized.
  kernels::ErrorNorm norm_for(const kernels::Range& range) const {
    const double most = std::max(-range.lo, range.hi);
    const int exponent = most > 0 ? std::clamp(std::ilogb(most), -149, 128) : 0;
    return {rules_.norm, std::ldexp(1.0, exponent)};
  }

  static bool counts(const SlotValues& values) {
    return values.importance != nullptr &&
           std::any_of(values.importance, values.importance + values.x.size(),
                       [](double v) { return v > 0; });
  }

  kernels::Range search_short(std::size_t i, const kernels::Range& range,
                              SlotBuffer& buffer) const {
    const auto slot = static_cast<std::int64_t>(i);
    const SlotValues values =
        read_slot<T>(x_, importance_, slots_, slot, 0, slots_.length_of(slot), buffer);
    const double* const importance = counts(values) ? values.importance : nullptr;
    const kernels::ErrorNorm norm = norm_for(range);
    return kernels::search_clip(
        range, target_, rules_.grid, [&](const kernels::AffineParams& params) {
          if (call_.cancelled()) return 0.0;  // ends the search
          return kernels::power_error(values.x, importance, params, target_.codes, norm);
        });
  }

  // f(values, block) for every block of the slot.
  template <class F>
  void for_each_block(std::int64_t slot, std::vector<SlotBuffer>& buffers, F&& f) const {
    const std::int64_t length = slots_.length_of(slot);
    const auto tasks = static_cast<std::int64_t>(buffers.size());
    call_.parallel_for(buffers.size(), [&](std::uint64_t task) {
      for (auto block = static_cast<std::int64_t>(task);
           block * kBlock < length && !call_.cancelled(); block += tasks) {
        const std::int64_t begin = block * kBlock;
        f(read_slot<T>(x_, importance_, slots_, slot, begin, std::min(begin + kBlock, length),
                       buffers[task]),
          static_cast<std::size_t>(block));
      }
    });
  }

  kernels::Range search_long(std::size_t i, const kernels::Range& range,
                             std::vector<SlotBuffer>& buffers) const {
    const auto slot = static_cast<std::int64_t>(i);
    const kernels::ErrorNorm norm = norm_for(range);
    std::vector<double> parts(static_cast<std::size_t>((slots_.length_of(slot) - 1) / kBlock + 1));
    for_each_block(slot, buffers, [&](const SlotValues& values, std::size_t block) {
      parts[block] = counts(values) ? 1.0 : 0.0;
    });
    const bool weighted = std::any_of(parts.begin(), parts.end(), [](double v) { return v > 0; });
    return kernels::search_clip(
        range, target_, rules_.grid, [&](const kernels::AffineParams& params) {
          for_each_block(slot, buffers, [&](const SlotValues& values, std::size_t block) {
            parts[block] = kernels::power_error(values.x, weighted ? values.importance : nullptr,
                                                params, target_.codes, norm);
          });
          if (call_.cancelled()) return 0.0;
          return std::accumulate(parts.begin(), parts.end(), 0.0);
        });
  }

  sdk::TensorView x_;
  const sdk::TensorView* importance_;
  const Slots& slots_;
  kernels::SearchTarget target_;
  ClipRules rules_;
  const sdk::Call& call_;
};

// The range of each slot: the part of it that costs least, in terms of importance where this is
// given (f64, of x's shape, finite, not negative), and of all elements alike where none of a slot's
// counts. Empty where the slot is.
//
// Requires  the ranges that scan_ranges found in the same tensor
// Errors    CANCELLED
inline std::vector<kernels::Range> clip_ranges(const sdk::TensorView& x,
                                               const sdk::TensorView* importance,
                                               const Slots& slots,
                                               const std::vector<kernels::FiniteRange>& found,
                                               const kernels::SearchTarget& target,
                                               const ClipRules& rules, const sdk::Call& call) {
  std::vector<kernels::Range> ranges;
  visit_element_type(x.dtype(), [&]<class T>(const T*) {
    ranges = ClipRanges<T>(x, importance, slots, target, rules, call).run(found);
  });
  if (call.cancelled()) throw sdk::Error(DETENT_E_CANCELLED, "");
  return ranges;
}

}  // namespace detent
