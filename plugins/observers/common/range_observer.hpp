// SPDX-License-Identifier: Apache-2.0
// RangeObserver: an observer whose state is one range per slot; what it does with a new one is
// abstract.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "non_finite.hpp"
#include "qparams.hpp"
#include "scan_ranges.hpp"
#include "shape_state.hpp"
#include "slots.hpp"
#include <detent/sdk.hpp>

namespace detent {

// The first batch with elements fixes the number of slots. Batches without elements do nothing; a
// slot without a finite value in a batch keeps its range.
//
// Errors  observe  INVALID_ARG (no such axis, another number of channels or groups than before),
//                  UNSUPPORTED (dtype), NUMERIC (non-finite values under "error"), CANCELLED; the
//                  state is then what it was
//         load     BAD_STATE
//         qparams  NOT_READY "no data observed"; see write_qparams
class RangeObserver : public sdk::Observer {
 public:
  explicit RangeObserver(const sdk::Config& config)
      : grouping_(read_grouping(config.qspec)), non_finite_(read_non_finite(config.params)) {}

  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override {
    if (x.numel() == 0) return {};
    const Slots slots(x, grouping_);
    if (state_.started && slots.shape() != state_.shape)
      return {DETENT_E_INVALID_ARG, "a batch of shape " + shape_text(x.shape()) +
                                        " has ranges of shape " + shape_text(slots.shape()) +
                                        ", the batches before had " + shape_text(state_.shape) +
                                        "\nevery batch needs the same channels or groups"};
    const std::vector<kernels::FiniteRange> batch = scan_ranges(x, slots, call);
    std::uint64_t non_finite = 0;
    for (const kernels::FiniteRange& range : batch) non_finite += range.non_finite;
    const sdk::Status allowed = check_non_finite(non_finite_, non_finite, slots.elements());
    if (!allowed.ok()) return allowed;
    start(slots.shape(), batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (!batch[i].range.empty()) fold(state_.ranges[i], batch[i].range);
    state_.non_finite += non_finite;
    state_.finite += static_cast<std::uint64_t>(slots.elements()) - non_finite;
    return {};
  }

  sdk::Status reset() override {
    state_ = {};
    return {};
  }

  sdk::Status save(sdk::Writer& out) const override {
    static_assert(std::endian::native == std::endian::little, "states are little-endian");
    out.pod(static_cast<std::uint32_t>(state_.started));
    write_shape(out, state_.shape);
    out.pod(state_.finite);
    out.pod(state_.non_finite);
    out.vec(state_.ranges);
    return {};
  }

  sdk::Status load(sdk::Reader& in) override {
    State loaded;
    if (const char* const wrong = read(in, loaded); wrong != nullptr)
      return {DETENT_E_BAD_STATE, std::string("not a state of this observer: ") + wrong};
    state_ = std::move(loaded);
    return {};
  }

  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (read_grouping(&target) != grouping_)
      return {DETENT_E_INVALID_ARG, "the target has another granularity than the observed one"};
    return write_qparams(state_.ranges, state_.shape, target, out);
  }

  sdk::Status stat(std::string_view id, const sdk::Sink& out) const override {
    if (id == "stat:minmax/1") return write_minmax(state_.ranges, state_.shape, out);
    if (id == "stat:counts/1") return write_counts(state_.finite, state_.non_finite, out);
    return sdk::Observer::stat(id, out);
  }

 protected:
  // The batch's range is not empty; the state's is until the slot's first finite value.
  virtual void fold(kernels::Range& state, const kernels::Range& batch) const noexcept = 0;

  // Adds the other's slots and counts, as if its batches had come here.
  sdk::Status add(const RangeObserver& other) {
    const State& theirs = other.state_;
    if (!theirs.started) return {};
    if (grouping_ != other.grouping_ || (state_.started && state_.shape != theirs.shape))
      return {DETENT_E_INVALID_ARG, "the two observers saw ranges of shape " +
                                        shape_text(state_.shape) + " and " +
                                        shape_text(theirs.shape) + ", so they cannot be merged"};
    start(theirs.shape, theirs.ranges.size());
    for (std::size_t i = 0; i < theirs.ranges.size(); ++i)
      if (!theirs.ranges[i].empty()) fold(state_.ranges[i], theirs.ranges[i]);
    state_.finite += theirs.finite;
    state_.non_finite += theirs.non_finite;
    return {};
  }

 private:
  struct State {
    bool started = false;  // a batch with elements was seen
    std::vector<std::int64_t> shape;
    std::uint64_t finite = 0;
    std::uint64_t non_finite = 0;
    std::vector<kernels::Range> ranges;
  };
  static_assert(sizeof(kernels::Range) == 16);

  void start(const std::vector<std::int64_t>& shape, std::size_t slots) {
    if (state_.started) return;
    state_.ranges.resize(slots);
    state_.shape = shape;
    state_.started = true;
  }

  // What is wrong with the bytes, or nullptr. They are hostile: every size is checked before use.
  const char* read(sdk::Reader& in, State& out) const {
    constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << 40;
    constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 62;
    std::uint32_t started = 0;
    if (!in.pod(started)) return "it is too short";
    std::uint64_t slots = 0;
    if (const char* const wrong =
            read_shape(in, started, grouping_.dimensions(), kMaxSlots, out.shape, slots);
        wrong != nullptr)
      return wrong;
    out.started = started != 0;
    if (!in.pod(out.finite) || !in.pod(out.non_finite)) return "it is too short";
    if (out.finite > kMaxCount || out.non_finite > kMaxCount) return "a count is out of range";
    if (!in.vec(out.ranges, slots) || out.ranges.size() != slots) return "the ranges do not fit";
    return check_ranges(out);
  }

  static const char* check_ranges(State& state) {
    bool some = false;
    for (kernels::Range& range : state.ranges) {
      const kernels::Range none;
      if (range.lo == none.lo && range.hi == none.hi) continue;
      if (!std::isfinite(range.lo) || !std::isfinite(range.hi) || range.lo > range.hi)
        return "a range is not one";
      range = {range.lo + 0.0, range.hi + 0.0};  // no -0, as everywhere
      some = true;
    }
    if (some != (state.finite != 0)) return "the counts contradict the ranges";
    if (state.started != (state.finite + state.non_finite != 0)) return "the counts contradict";
    return nullptr;
  }

  Grouping grouping_;
  NonFinite non_finite_;
  State state_;
};

}  // namespace detent
