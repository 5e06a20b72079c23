// SPDX-License-Identifier: Apache-2.0
// ema: exponential moving averages of the batches' minima and maxima.
#include <algorithm>
#include <limits>

#include "../common/capabilities.hpp"
#include "../common/range_observer.hpp"

namespace detent {
namespace {

//   first batch   min = batch_min                             the same for max
//   every other   min = (1 - c) * min + c * batch_min         c = averaging_constant
//
// Rounding  float64, in the order of the formula. For a target with DETENT_AFFINE_FLOAT32 float32,
//           and min = min + c * (batch_min - min), as in torch.ao and compressed-tensors
// Special   A batch without a finite value does not count as a batch, per channel or group too
//
// It has no merge: the average depends on the order of the batches, so two halves of the data
// cannot be put together. The host calibrates in one process.
class Ema final : public RangeObserver {
 public:
  static constexpr const char* id = "ema";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Moving average of minimum and maximum";
  static constexpr const char* description =
      "Exponential moving averages of each batch's smallest and largest finite value; depends on "
      "the "
      "order of the batches.";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* aliases[] = {"movingaverage", "movingaverageminmax",
                                            "movingaverageminmaxobserver", nullptr};
  static constexpr const char* provides[] = {"stat:minmax/1", "stat:counts/1", "range:minmax",
                                             "auto:averaging_constant", nullptr};
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* capabilities = kObserverCapabilities;
  static constexpr const char* schema = R"({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "averaging_constant": {
        "title": "Averaging constant",
        "description": "Weight of the newest batch: small values follow slowly, 1 keeps only the last batch.",
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": 0.01
      },
      "non_finite": {
        "title": "NaN and infinities",
        "description": "ignore: leave them out and count them. error: refuse a batch that holds one.",
        "enum": ["ignore", "error"],
        "default": "ignore"
      }
    }
  })";

  explicit Ema(const sdk::Config& config)
      : RangeObserver(config),
        newest_(config.params.get("/averaging_constant", 0.01)),
        float32_(config.qspec != nullptr && read_rule(*config.qspec).float32) {
    if (!(newest_ > 0.0 && newest_ <= 1.0))
      throw sdk::Error(DETENT_E_PARAMS, "averaging_constant must be above 0 and at most 1");
  }

 private:
  void fold(kernels::Range& state, const kernels::Range& batch) const noexcept override {
    if (state.empty()) {
      state = batch;
    } else {
      state = {average(state.lo, batch.lo), average(state.hi, batch.hi)};
      state.hi = std::max(state.lo, state.hi);  // float32 may take them past one another
    }
  }

  double average(double state, double batch) const noexcept {
    if (float32_) return average_as_peers(state, batch);
    constexpr double kMost = std::numeric_limits<double>::max();  // the sum may round beyond it
    const double mean = (1.0 - newest_) * state + newest_ * batch + 0.0;  // no -0
    return std::clamp(mean, -kMost, kMost);
  }

  double average_as_peers(double state, double batch) const noexcept {
    constexpr double kMost = std::numeric_limits<float>::max();
    const auto old = static_cast<float>(std::clamp(state, -kMost, kMost));
    const auto seen = static_cast<float>(std::clamp(batch, -kMost, kMost));
    const float difference = seen - old;
    const float step = static_cast<float>(newest_) * difference;
    return std::clamp(static_cast<double>(old + step) + 0.0, -kMost, kMost);
  }

  double newest_;
  bool float32_;
};

}  // namespace
}  // namespace detent

DETENT_LIBRARY(detent::Ema);
