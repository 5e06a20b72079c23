// SPDX-License-Identifier: Apache-2.0
// ClipObserver: an observer of one weight that searches, for every tensor, channel or group, how
// much of the range to give up.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "clip_params.hpp"
#include "clip_ranges.hpp"
#include "clip_state.hpp"
#include "non_finite.hpp"
#include "qparams.hpp"
#include "search_target.hpp"
#include <detent/sdk.hpp>

namespace detent {

// Is there a value that cannot be an importance? What is broadcast is looked at once.
inline bool holds_bad_importance(const sdk::TensorView& importance) {
  std::vector<std::int64_t> shape = importance.shape();
  for (std::int32_t d = 0; d < importance.ndim(); ++d)
    if (importance.stride(d) == 0) shape[static_cast<std::size_t>(d)] = 1;
  detent_tensor once = importance.raw();
  once.shape = shape.data();
  bool bad = false;
  sdk::TensorView(once).for_each(
      -1, [&](double v, std::int64_t) { bad = bad || !(v >= 0 && std::isfinite(v)); });
  return bad;
}

// The search needs all values again for every candidate, and keeps none of them: so it is for one
// tensor, a weight, and there is nothing to merge.
//
// Errors  create   PARAMS: to observe activations
//         observe  INVALID_ARG (no such axis, a second tensor, an importance that is none),
//                  UNSUPPORTED (dtype), NUMERIC (non-finite values under "error"), CANCELLED; the
//                  state is then what it was
//         load     BAD_STATE
//         qparams  NOT_READY "no data observed"; INVALID_ARG (another target); see write_qparams
class ClipObserver : public sdk::Observer {
 public:
  ClipObserver(const sdk::Config& config, const char* id, const ClipRules& defaults)
      : grouping_(read_grouping(config.qspec)),
        non_finite_(read_non_finite(config.params)),
        target_(read_search_target(config.qspec)),
        rules_(read_clip_rules(config.params, defaults)) {
    if (config.role == DETENT_ROLE_ACTIVATION)
      throw sdk::Error(DETENT_E_PARAMS,
                       std::string(id) + " observes weights, not activations" + kInstead);
  }

  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override {
    return search(x, nullptr, call);
  }

  sdk::Status reset() override {
    state_ = {};
    return {};
  }

  sdk::Status save(sdk::Writer& out) const override {
    state_.save(out, target_);
    return {};
  }

  sdk::Status load(sdk::Reader& in) override {
    ClipState loaded;
    if (const char* const wrong = loaded.load(in, target_, grouping_.dimensions());
        wrong != nullptr)
      return {DETENT_E_BAD_STATE, std::string("not a state of this observer: ") + wrong};
    state_ = std::move(loaded);
    return {};
  }

  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (read_grouping(&target) != grouping_ ||
        SearchedFor(read_search_target(&target)) != SearchedFor(target_))
      return {DETENT_E_INVALID_ARG,
              "the target has another granularity, other codes or another rule than the ranges "
              "were searched for"};
    return write_qparams(state_.chosen, state_.shape, target, out);
  }

  sdk::Status stat(std::string_view id_, const sdk::Sink& out) const override {
    if (id_ == "stat:minmax/1") return write_minmax(state_.values, state_.shape, out);
    if (id_ == "stat:counts/1") return write_counts(state_.finite, state_.non_finite, out);
    return sdk::Observer::stat(id_, out);
  }

 protected:
  // importance may be nullptr.
  sdk::Status search(const sdk::TensorView& x, const sdk::TensorView* importance,
                     const sdk::Call& call) {
    if (x.numel() == 0) return {};
    if (state_.started)
      return {DETENT_E_INVALID_ARG,
              std::string("a second tensor: this observer searches the values of one weight") +
                  kInstead};
    if (importance != nullptr) {
      if (importance->dtype() != DETENT_F64 || importance->shape() != x.shape())
        return {DETENT_E_INVALID_ARG, "an importance is float64, of the weight's shape"};
      if (holds_bad_importance(*importance))
        return {DETENT_E_INVALID_ARG, "an importance is negative, NaN or infinite"};
    }
    const Slots slots(x, grouping_);
    const std::vector<kernels::FiniteRange> found = scan_ranges(x, slots, call);
    ClipState state;
    state.started = true;
    state.shape = slots.shape();
    for (const kernels::FiniteRange& slot : found) {
      state.non_finite += slot.non_finite;
      state.values.push_back(slot.range);
    }
    const sdk::Status allowed = check_non_finite(non_finite_, state.non_finite, slots.elements());
    if (!allowed.ok()) return allowed;
    state.finite = static_cast<std::uint64_t>(slots.elements()) - state.non_finite;
    state.chosen = clip_ranges(x, importance, slots, found, target_, rules_, call);
    state_ = std::move(state);
    return {};
  }

 private:
  static constexpr const char* kInstead =
      "\nfor activations and several batches name the observer histogram with \"method\": \"mse\"";

  Grouping grouping_;
  NonFinite non_finite_;
  kernels::SearchTarget target_;
  ClipRules rules_;
  ClipState state_;
};

}  // namespace detent
