// SPDX-License-Identifier: Apache-2.0
// minmax: the smallest and the largest finite value of every tensor, channel or group.
#include "../common/capabilities.hpp"
#include "../common/range_observer.hpp"

namespace detent {
namespace {

// Merging is exact: minimum and maximum do not know the order of the batches.
class MinMax final : public RangeObserver {
 public:
  static constexpr const char* id = "minmax";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Minimum and maximum";
  static constexpr const char* description =
      "The smallest and the largest finite value over all batches, outliers included.";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* aliases[] = {"minmaxobserver", nullptr};
  static constexpr const char* provides[] = {"stat:minmax/1", "stat:counts/1", "range:minmax",
                                             "auto:", nullptr};
  static constexpr uint64_t flags =
      DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* capabilities = kObserverCapabilities;
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

  using RangeObserver::RangeObserver;

  sdk::Status merge(const MinMax& other) { return add(other); }

 private:
  void fold(kernels::Range& state, const kernels::Range& batch) const noexcept override {
    state.include(batch);
  }
};

}  // namespace
}  // namespace detent

DETENT_LIBRARY(detent::MinMax);
