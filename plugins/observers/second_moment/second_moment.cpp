// SPDX-License-Identifier: Apache-2.0
// second_moment: the mean of x^2 of every tensor or channel: how much an error in what it is
// multiplied with matters.
//
// Values are taken as float32 (a float64 beyond it counts as infinite), their squares are added up
// in fixed point, without rounding. So the state depends on nothing but the set of values, whatever
// the order, the split and the merging. The mean is rounded once.
#include <string>
#include <utility>
#include <vector>

#include "../common/non_finite.hpp"
#include "../common/qparams.hpp"
#include "state.hpp"
#include "sum_squares.hpp"

namespace detent {
namespace {

class SecondMoment final : public sdk::Observer {
 public:
  static constexpr const char* id = "second_moment";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Mean square";
  static constexpr const char* description =
      "The mean of x^2 of every channel, exact in any order: the importance of weights. Chooses no "
      "range.";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* provides[] = {"stat:second_moment/1", "stat:counts/1", nullptr};
  static constexpr uint64_t flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC;
  static constexpr const char* capabilities = R"({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel"]}}}
  })";
  static constexpr const char* schema = R"({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "non_finite": {
        "title": "NaN and infinities",
        "description": "ignore: leave them out and count them. error: refuse a batch that holds one.",
        "enum": ["ignore", "error"],
        "default": "ignore"
      }
    }
  })";

  explicit SecondMoment(const sdk::Config& config)
      : grouping_(read_grouping(config.qspec)), non_finite_(read_non_finite(config.params)) {
    if (grouping_.granularity == DETENT_PER_GROUP)
      throw sdk::Error(DETENT_E_UNSUPPORTED,
                       "second_moment has no groups\nit observes per tensor and per channel");
  }

  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override {
    if (x.numel() == 0) return {};
    const Slots slots(x, grouping_);
    if (sdk::Status fits = check_fit(slots.shape()); !fits.ok()) return fits;
    MomentState batch{true, slots.shape(), sum_squares(x, slots, call)};
    const sdk::Status allowed = check_non_finite(non_finite_, batch.non_finite(), slots.elements());
    if (!allowed.ok()) return allowed;
    return state_.add(batch);
  }

  sdk::Status reset() override {
    state_ = {};
    return {};
  }

  sdk::Status merge(const SecondMoment& other) {
    if (!other.state_.started) return {};
    if (grouping_ != other.grouping_)
      return {DETENT_E_INVALID_ARG, "the two observers have another granularity"};
    if (sdk::Status fits = check_fit(other.state_.shape); !fits.ok()) return fits;
    return state_.add(other.state_);
  }

  sdk::Status save(sdk::Writer& out) const override {
    state_.save(out);
    return {};
  }

  sdk::Status load(sdk::Reader& in) override {
    MomentState loaded;
    if (const char* const wrong = loaded.load(in, grouping_.dimensions()); wrong != nullptr)
      return {DETENT_E_BAD_STATE, std::string("not a state of this observer: ") + wrong};
    state_ = std::move(loaded);
    return {};
  }

  sdk::Status qparams(const detent_qspec&, const sdk::Sink&, const sdk::Call&) const override {
    return {DETENT_E_UNSUPPORTED,
            "second_moment is a statistic: it chooses no range\nname an observer such as minmax, "
            "histogram or, for weights, imatrix, which uses this statistic"};
  }

  sdk::Status stat(std::string_view id_, const sdk::Sink& out) const override {
    if (id_ == "stat:counts/1") return write_counts(state_.finite(), state_.non_finite(), out);
    if (id_ != "stat:second_moment/1") return sdk::Observer::stat(id_, out);
    if (state_.finite() == 0) require_observed({});
    const auto slots = static_cast<std::int64_t>(state_.slots.size());
    double* const mean = create_output<double>(out, "mean_square", {slots});
    std::int64_t* const count = create_output<std::int64_t>(out, "count", {slots});
    for (std::size_t i = 0; i < state_.slots.size(); ++i) {
      mean[i] = kernels::mean_square(state_.slots[i]);
      count[i] = static_cast<std::int64_t>(state_.slots[i].finite);
    }
    return {};
  }

 private:
  sdk::Status check_fit(const std::vector<std::int64_t>& shape) const {
    if (!state_.started || shape == state_.shape) return {};
    return {DETENT_E_INVALID_ARG, "a batch has sums of shape " + shape_text(shape) +
                                      ", the batches before had " + shape_text(state_.shape) +
                                      "\nevery batch needs the same channels"};
  }

  Grouping grouping_;
  NonFinite non_finite_;
  MomentState state_;
};

}  // namespace
}  // namespace detent

DETENT_LIBRARY(detent::SecondMoment);
