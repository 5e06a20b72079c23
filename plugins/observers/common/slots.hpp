// SPDX-License-Identifier: Apache-2.0
// Slots: which elements of a tensor share one range, and the runs they form in row-major order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <detent/sdk.hpp>

namespace detent {

// What decides about sharing, out of a quantization target. Without a target: per tensor.
struct Grouping {
  std::int32_t granularity = DETENT_PER_TENSOR;
  std::int32_t axis = 0;
  std::int64_t group_size = 0;

  // Of the scales' shape: [], [channels] or [rows, groups].
  std::uint32_t dimensions() const noexcept {
    if (granularity == DETENT_PER_TENSOR) return 0;
    return granularity == DETENT_PER_CHANNEL ? 1 : 2;
  }

  friend bool operator==(const Grouping&, const Grouping&) = default;
};

// Errors  INVALID_ARG (an axis or a group size out of range), UNSUPPORTED (another granularity)
inline Grouping read_grouping(const detent_qspec* target) {
  if (target == nullptr || target->granularity == DETENT_PER_TENSOR) return {};
  if (target->granularity == DETENT_PER_CHANNEL) {
    if (target->axis < 0)
      throw sdk::Error(DETENT_E_INVALID_ARG,
                       "axis " + std::to_string(target->axis) + " is negative\ncount axes from 0");
    return {DETENT_PER_CHANNEL, target->axis, 0};
  }
  if (target->granularity == DETENT_PER_GROUP) {
    if (target->group_size < 1)
      throw sdk::Error(DETENT_E_INVALID_ARG, "group_size " + std::to_string(target->group_size) +
                                                 " is not a positive number of elements");
    return {DETENT_PER_GROUP, 0, target->group_size};
  }
  throw sdk::Error(DETENT_E_UNSUPPORTED, "this observer has no granularity number " +
                                             std::to_string(target->granularity) +
                                             "\nit observes per tensor, per channel and per group");
}

inline std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d)
    text += (d == 0 ? "" : ", ") + std::to_string(shape[d]);
  return text + "]";
}

// Splits the elements of one shape, numbered in row-major order, into runs that lie side by side
// and belong to one slot. A slot is the whole tensor, an index of the channel axis, or a group of a
// row.
//
//   per tensor   one slot, one run, one row
//   per channel  a row holds one run of each channel; as many rows as there are indices in front of
//                the axis, each starting with channel 0 again
//   per group    a row of the matrix; runs of group_size, the last one of a row may be short
//
// Shapes  shape() is that of the scales: [], [channels] or [rows, groups]
class Slots {
 public:
  Slots() = default;

  // Requires a tensor with elements.
  // Errors  INVALID_ARG: the tensor has no such axis
  Slots(const sdk::TensorView& x, const Grouping& grouping) : elements_(x.numel()) {
    switch (grouping.granularity) {
      case DETENT_PER_CHANNEL: set_channels(x, grouping.axis); break;
      case DETENT_PER_GROUP: set_groups(x, grouping.group_size); break;
      default: run_ = row_ = elements_; break;
    }
  }

  std::int64_t elements() const noexcept { return elements_; }
  std::int64_t count() const noexcept { return count_; }
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  // Elements in a run (a short last group has fewer), and in a row.
  std::int64_t run_length() const noexcept { return run_; }
  std::int64_t row_length() const noexcept { return row_; }
  // Does every row start with slot 0 again? Otherwise slots never come back once they are passed.
  bool repeats() const noexcept { return runs_ == count_ && elements_ > row_; }

  std::int64_t slot_of(std::int64_t element) const noexcept {
    return element / row_ * runs_ % count_ + element % row_ / run_;
  }

  std::int64_t length_of(std::int64_t slot) const noexcept {
    if (shape_.size() != 2) return elements_ / count_;
    return std::min(run_, row_ - slot % runs_ * run_);
  }
  // The place in the tensor of the slot's k-th element; up to the end of its run the next follow.
  std::int64_t element_of(std::int64_t slot, std::int64_t k) const noexcept {
    return slot / runs_ * row_ + slot % runs_ * run_ + k / run_ * row_ + k % run_;
  }

  // f(slot, first, n) for each run in the elements [begin, end), in order; the first and the last
  // run may be cut by the ends.
  template <class F>
  void for_each_run(std::int64_t begin, std::int64_t end, F&& f) const {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t in_row = i % row_;
      const std::int64_t group_end = std::min(in_row - in_row % run_ + run_, row_);
      const std::int64_t n = std::min(end - i, group_end - in_row);
      f(slot_of(i), i, n);
      i += n;
    }
  }

 private:
  void set_channels(const sdk::TensorView& x, std::int32_t axis) {
    if (axis >= x.ndim())
      throw sdk::Error(DETENT_E_INVALID_ARG, "channel axis " + std::to_string(axis) +
                                                 " of a tensor with " + std::to_string(x.ndim()) +
                                                 " dimensions\naxes are counted from 0");
    count_ = x.size(axis);
    shape_ = {count_};
    run_ = 1;
    for (std::int32_t d = axis + 1; d < x.ndim(); ++d) run_ *= x.size(d);
    runs_ = count_;
    row_ = count_ * run_;
  }

  void set_groups(const sdk::TensorView& x, std::int64_t group_size) {
    const std::int64_t rows = x.ndim() < 2 ? 1 : x.size(0);
    row_ = elements_ / rows;
    run_ = std::min(group_size, row_);
    runs_ = (row_ - 1) / run_ + 1;
    count_ = rows * runs_;
    shape_ = {rows, runs_};
  }

  std::int64_t elements_ = 0;
  std::int64_t count_ = 1;
  std::int64_t run_ = 1;
  std::int64_t row_ = 1;
  std::int64_t runs_ = 1;  // in a row
  std::vector<std::int64_t> shape_;
};

}  // namespace detent
