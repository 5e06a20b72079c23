// SPDX-License-Identifier: Apache-2.0
#include "quantize/rounding.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "quantize/elements.hpp"
#include "quantize/error_sums.hpp"
#include "quantize/weighted_sums.hpp"
#include <detent/sdk/affine.hpp>

namespace detent {
namespace {

constexpr const char* kAffine = "detent.affine/1";

// Which elements share a scale, in row-major order: a row is cut into runs, and every run belongs
// to a slot. The slots of channels come again in every row; groups have slots of their own.
struct Layout {
  std::uint64_t elements = 0;
  std::uint64_t columns = 0;  // elements in a row
  std::uint64_t width = 0;    // elements in a run; the last one of a row may have fewer
  std::uint64_t runs = 0;     // in a row
  std::uint64_t slots = 0;

  std::uint64_t rows_of_slots() const { return slots / runs; }
};

std::uint64_t ceil_div(std::uint64_t n, std::uint64_t d) { return n / d + (n % d != 0 ? 1 : 0); }

std::optional<Layout> layout_of(const detent_qspec& spec, const std::vector<std::int64_t>& shape) {
  std::uint64_t n = 1;
  for (const std::int64_t extent : shape) n *= static_cast<std::uint64_t>(extent);
  if (n == 0) return Layout{};
  switch (spec.granularity) {
    case DETENT_PER_TENSOR: return Layout{n, n, n, 1, 1};
    case DETENT_PER_CHANNEL: {
      if (spec.axis < 0 || static_cast<std::size_t>(spec.axis) >= shape.size()) return std::nullopt;
      const auto axis = static_cast<std::size_t>(spec.axis);
      std::uint64_t width = 1;
      for (std::size_t d = axis + 1; d < shape.size(); ++d)
        width *= static_cast<std::uint64_t>(shape[d]);
      const auto channels = static_cast<std::uint64_t>(shape[axis]);
      return Layout{n, channels * width, width, channels, channels};
    }
    case DETENT_PER_GROUP: {
      if (spec.group_size < 1) return std::nullopt;
      const std::uint64_t rows = shape.size() < 2 ? 1 : static_cast<std::uint64_t>(shape[0]);
      const std::uint64_t columns = n / rows;
      const std::uint64_t width = std::min(static_cast<std::uint64_t>(spec.group_size), columns);
      const std::uint64_t runs = ceil_div(columns, width);
      return Layout{n, columns, width, runs, rows * runs};
    }
    default: return std::nullopt;
  }
}

// Codes that a float holds exactly, as sdk::put_affine wants them.
bool can_hold_affine(const detent_qspec& spec) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 24U;
  return spec.qmin < spec.qmax && spec.qmax > 0 && spec.qmin >= -kLimit && spec.qmax <= kLimit;
}

struct Slot {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  float scale = 1;
  std::int32_t zero_point = 0;
};

template <class Reader>
void include(const Reader& x, std::uint64_t from, std::uint64_t to, Slot& slot) {
  double low = slot.low;
  double high = slot.high;
  for (std::uint64_t i = from; i < to; ++i) {
    const double value = x(i);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  slot.low = low;
  slot.high = high;
}

// A task has whole slots, row by row, so that what lies side by side is read side by side.
template <class Reader>
std::vector<Slot> find_ranges(const Reader& x, const Layout& layout, ThreadPool& pool) {
  std::vector<Slot> slots(layout.slots);
  const std::uint64_t in_slot = ceil_div(layout.elements, layout.slots);
  const std::uint64_t at_once = std::max<std::uint64_t>(1, kBlock / in_slot);
  const std::uint64_t period = layout.rows_of_slots() * layout.columns;
  pool.parallel_for(ceil_div(layout.slots, at_once), [&](std::uint64_t task) {
    const std::uint64_t first = task * at_once;
    const std::uint64_t last = std::min(first + at_once, layout.slots);
    for (std::uint64_t base = 0; base < layout.elements; base += period) {
      std::uint64_t row = base + first / layout.runs * layout.columns;
      std::uint64_t column = first % layout.runs * layout.width;
      for (std::uint64_t s = first; s < last; ++s) {
        const std::uint64_t end = std::min(column + layout.width, layout.columns);
        include(x, row + column, row + end, slots[s]);
        column = end;
        if (column == layout.columns) row += layout.columns, column = 0;
      }
    }
  });
  return slots;
}

// One slot is cut into pieces first, or one thread would look at everything.
template <class Reader>
std::vector<Slot> find_slots(const Reader& x, const Layout& layout, const detent_qspec& spec,
                             ThreadPool& pool) {
  std::vector<Slot> slots(1);
  if (layout.slots > 1) {
    slots = find_ranges(x, layout, pool);
  } else {
    const std::uint64_t blocks = block_count(layout.elements);
    const Layout pieces{layout.elements, layout.elements, kBlock, blocks, blocks};
    for (const Slot& piece : find_ranges(x, pieces, pool)) {
      slots[0].low = std::min(slots[0].low, piece.low);
      slots[0].high = std::max(slots[0].high, piece.high);
    }
  }
  for (Slot& slot : slots) {
    const sdk::Affine affine = sdk::choose_affine(slot.low, slot.high, spec);
    slot.scale = affine.scale;
    slot.zero_point = static_cast<std::int32_t>(affine.zero_point);
  }
  return slots;
}

// Elements of one slot, through their codes and back.
class RoundTrip {
 public:
  RoundTrip(const Slot& slot, const detent_qspec& spec)
      : scale_(slot.scale),
        low_(static_cast<double>(spec.qmin - slot.zero_point)),
        high_(static_cast<double>(spec.qmax - slot.zero_point)) {}

  float operator()(double x) const {
    const double steps = double{static_cast<float>(x) / scale_};
    return static_cast<float>(round(std::min(std::max(steps, low_), high_))) * scale_;
  }

 private:
  // To nearest, ties to even, for what clamping has left: beyond 2^52 a double has no fractions.
  static double round(double x) {
    constexpr double kNoFractions = 6755399441055744.0;  // 1.5 * 2^52
    return (x + kNoFractions) - kNoFractions;
  }

  float scale_;
  double low_;  // of the codes, less the zero point
  double high_;
};

// The elements [from, from + restored.size()) through their codes and back.
template <class Reader>
void restore(const Reader& x, std::uint64_t from, std::span<float> restored, const Layout& layout,
             const std::vector<Slot>& slots, const detent_qspec& spec) {
  std::uint64_t column = from % layout.columns;
  std::uint64_t slot = (from / layout.columns * layout.runs + column / layout.width) % layout.slots;
  for (std::uint64_t k = 0; k < restored.size();) {
    const std::uint64_t run_end =
        std::min(column - column % layout.width + layout.width, layout.columns);
    const std::uint64_t end = std::min<std::uint64_t>(restored.size(), k + run_end - column);
    const RoundTrip round_trip(slots[slot], spec);
    column += end - k;
    for (; k < end; ++k) restored[k] = round_trip(x(from + k));
    if (column == run_end) slot = slot + 1 == layout.slots ? 0 : slot + 1;
    if (column == layout.columns) column = 0;
  }
}

// fresh(): what adds up the errors of a block.
template <class Reader, class Fresh>
QuantizationError measure(const Reader& x, const Layout& layout, const detent_qspec& spec,
                          ThreadPool& pool, const Fresh& fresh) {
  constexpr std::uint64_t kPiece = 2048;
  const std::vector<Slot> slots = find_slots(x, layout, spec, pool);
  return sum_blocks(layout.elements, pool, [&](std::uint64_t begin, std::uint64_t end) {
    std::array<float, kPiece> buffer;
    auto sums = fresh();
    for (std::uint64_t at = begin; at < end; at += kPiece) {
      const std::span<float> piece(buffer.data(), std::min(kPiece, end - at));
      restore(x, at, piece, layout, slots, spec);
      sums.add(x, at, piece);
    }
    return sums.total();
  });
}

std::optional<Layout> layout_for(const QuantTarget& target,
                                 const std::vector<std::int64_t>& shape) {
  if (target.scheme != kAffine || !can_hold_affine(target.spec)) return std::nullopt;
  return layout_of(target.spec, shape);
}

}  // namespace

std::optional<QuantizationError> measure_rounding(const QuantTarget& target,
                                                  const std::vector<std::int64_t>& shape,
                                                  detent_dtype dtype,
                                                  std::span<const std::byte> data, ThreadPool& pool,
                                                  const Importance* importance) {
  const std::optional<Layout> layout = layout_for(target, shape);
  if (!layout) return std::nullopt;
  std::optional<QuantizationError> error;
  if (layout->elements == 0) return QuantizationError{};
  with_reader(dtype, data.data(), [&](const auto& x) {
    const auto with = [&](const auto& fresh) {
      error = measure(x, *layout, target.spec, pool, fresh);
    };
    if (importance == nullptr) return with([] { return ErrorSums(); });
    with([&] { return WeightedSums(*importance); });
  });
  return error;
}

bool can_round_plainly(const QuantTarget& target, const std::vector<std::int64_t>& shape) {
  return layout_for(target, shape).has_value();
}

bool round_plainly(const QuantTarget& target, const std::vector<std::int64_t>& shape,
                   detent_dtype dtype, std::span<const std::byte> data, ThreadPool& pool,
                   std::span<float> out) {
  const std::optional<Layout> layout = layout_for(target, shape);
  if (!layout) return false;
  if (layout->elements == 0) return true;
  return with_reader(dtype, data.data(), [&](const auto& x) {
    restore(x, 0, out, *layout, find_slots(x, *layout, target.spec, pool), target.spec);
  });
}

}  // namespace detent
