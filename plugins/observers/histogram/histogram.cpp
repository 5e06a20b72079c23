// SPDX-License-Identifier: Apache-2.0
// histogram: bounded histograms that do not depend on the order of the data, and a search for the
// range.
//
// Every tensor, channel or group has at most `bins` uint64 counts in bins of a power-of-two width,
// beside the exact minimum and maximum. A batch becomes histograms of its own which are then
// merged, so observing and merging are the same operation, and the state depends on nothing but the
// set of values.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../common/capabilities.hpp"
#include "../common/non_finite.hpp"
#include "../common/scan_ranges.hpp"
#include "../common/search_target.hpp"
#include "choose_ranges.hpp"
#include "count_batch.hpp"
#include "state.hpp"

namespace detent {
namespace {

// The host has checked the parameters; memory and loops depend on these two, so they are checked
// again.
std::int64_t read_bins(const sdk::Params& params) {
  const std::int64_t bins = params.get("/bins", std::int64_t{2048});
  if (bins < 16 || bins > 65536)
    throw sdk::Error(DETENT_E_PARAMS, "bins must be 16 to 65536, not " + std::to_string(bins));
  return bins;
}

MethodParams read_method(const sdk::Params& params) {
  const double percentile = params.get("/percentile", 99.99);
  if (!(percentile > 50 && percentile <= 100))
    throw sdk::Error(DETENT_E_PARAMS, "percentile must be above 50 and at most 100, not " +
                                          std::to_string(percentile));
  const std::string name = params.get("/method", "kl");
  if (name == "kl") return {Method::kl, percentile};
  if (name == "mse") return {Method::mse, percentile};
  if (name == "percentile") return {Method::percentile, percentile};
  throw sdk::Error(DETENT_E_PARAMS, "method must be kl, mse or percentile, not \"" + name + "\"");
}

class HistogramObserver final : public sdk::Observer {
 public:
  static constexpr const char* id = "histogram";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Histogram";
  static constexpr const char* description =
      "Counts values in a histogram of fixed size and searches the range that loses least (kl, mse "
      "or "
      "percentile).";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* aliases[] = {"histogramobserver", "kl", nullptr};
  static constexpr const char* provides[] = {"stat:minmax/1", "stat:counts/1", "stat:histogram/1",
                                             "auto:bins", nullptr};
  static constexpr uint64_t flags =
      DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* capabilities = kObserverCapabilities;
  static constexpr const char* schema = R"({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "bins": {
        "title": "Bins",
        "description": "The most counts that are kept for each tensor, channel or group; 8 bytes each.",
        "type": "integer",
        "minimum": 16,
        "maximum": 65536,
        "default": 2048
      },
      "method": {
        "title": "Search",
        "description": "kl: least divergence of the quantized distribution, clips at most half of each side. mse: least squared error. percentile: leaves out a fixed share of the values.",
        "enum": ["kl", "mse", "percentile"],
        "default": "kl"
      },
      "percentile": {
        "title": "Percentile",
        "description": "For method percentile: how many percent of the values the range holds; the rest is left out in equal shares on both sides.",
        "type": "number",
        "exclusiveMinimum": 50,
        "maximum": 100,
        "default": 99.99
      },
      "non_finite": {
        "title": "NaN and infinities",
        "description": "ignore: leave them out and count them. error: refuse a batch that holds one.",
        "enum": ["ignore", "error"],
        "default": "ignore"
      }
    }
  })";

  explicit HistogramObserver(const sdk::Config& config)
      : grouping_(read_grouping(config.qspec)),
        non_finite_(read_non_finite(config.params)),
        bins_(read_bins(config.params)),
        method_(read_method(config.params)) {}

  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override {
    if (x.numel() == 0) return {};
    const Slots slots(x, grouping_);
    if (sdk::Status fits = check_fit(slots.shape(), slots.count()); !fits.ok()) return fits;
    const std::vector<kernels::FiniteRange> ranges = scan_ranges(x, slots, call);
    HistogramState batch;
    batch.started = true;
    batch.shape = slots.shape();
    for (const kernels::FiniteRange& range : ranges) batch.non_finite += range.non_finite;
    batch.finite = static_cast<std::uint64_t>(slots.elements()) - batch.non_finite;
    const sdk::Status allowed = check_non_finite(non_finite_, batch.non_finite, slots.elements());
    if (!allowed.ok()) return allowed;
    batch.slots = count_batch(x, slots, ranges, bins_, call);
    if (state_.started) return state_.add(batch, bins_);
    state_ = std::move(batch);
    return {};
  }

  sdk::Status reset() override {
    state_ = {};
    return {};
  }

  sdk::Status merge(const HistogramObserver& other) {
    if (!other.state_.started) return {};
    if (grouping_ != other.grouping_ || bins_ != other.bins_)
      return {DETENT_E_INVALID_ARG, "the two observers have another granularity or number of bins"};
    const auto count = static_cast<std::int64_t>(other.state_.slots.size());
    if (sdk::Status fits = check_fit(other.state_.shape, count); !fits.ok()) return fits;
    return state_.add(other.state_, bins_);
  }

  sdk::Status save(sdk::Writer& out) const override {
    state_.save(out, bins_);
    return {};
  }

  sdk::Status load(sdk::Reader& in) override {
    HistogramState loaded;
    if (const char* const wrong = loaded.load(in, bins_, grouping_.dimensions()); wrong != nullptr)
      return {DETENT_E_BAD_STATE, std::string("not a state of this observer: ") + wrong};
    state_ = std::move(loaded);
    return {};
  }

  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call& call) const override {
    if (read_grouping(&target) != grouping_)
      return {DETENT_E_INVALID_ARG, "the target has another granularity than the observed one"};
    const kernels::SearchTarget searched = read_search_target(&target);
    return write_qparams(choose_ranges(state_.slots, searched, method_, call), state_.shape, target,
                         out);
  }

  sdk::Status stat(std::string_view id_, const sdk::Sink& out) const override {
    if (id_ == "stat:minmax/1") return write_minmax(ranges(), state_.shape, out);
    if (id_ == "stat:counts/1") return write_counts(state_.finite, state_.non_finite, out);
    if (id_ == "stat:histogram/1") return write_histogram(out);
    return sdk::Observer::stat(id_, out);
  }

 private:
  sdk::Status check_fit(const std::vector<std::int64_t>& shape, std::int64_t count) const {
    if (state_.started && shape != state_.shape)
      return {DETENT_E_INVALID_ARG, "a batch has histograms of shape " + shape_text(shape) +
                                        ", the batches before had " + shape_text(state_.shape) +
                                        "\nevery batch needs the same channels or groups"};
    if (count > kMaxCounts / bins_)
      return {DETENT_E_UNSUPPORTED,
              std::to_string(count) + " histograms of " + std::to_string(bins_) +
                  " bins take more than " + std::to_string(kMaxCounts) +
                  " counts\nuse fewer bins, a coarser granularity, or the observer minmax"};
    return {};
  }

  std::vector<kernels::Range> ranges() const {
    std::vector<kernels::Range> ranges;
    for (const kernels::Histogram& slot : state_.slots) ranges.push_back(slot.range);
    return ranges;
  }

  // A slot without values has the origin 0 and the width 1; bins behind the last one are zero.
  sdk::Status write_histogram(const sdk::Sink& out) const {
    require_observed(ranges());
    const auto slots = static_cast<std::int64_t>(state_.slots.size());
    std::uint64_t* const counts = create_output<std::uint64_t>(out, "counts", {slots, bins_});
    double* const origin = create_output<double>(out, "origin", {slots});
    double* const width = create_output<double>(out, "width", {slots});
    for (std::size_t i = 0; i < state_.slots.size(); ++i) {
      const kernels::Histogram& slot = state_.slots[i];
      std::copy(slot.counts.begin(), slot.counts.end(),
                counts + i * static_cast<std::size_t>(bins_));
      origin[i] = kernels::bin_edge(slot.grid, 0);
      width[i] = kernels::bin_width(slot.grid);
    }
    return {};
  }

  Grouping grouping_;
  NonFinite non_finite_;
  std::int64_t bins_;
  MethodParams method_;
  HistogramState state_;
};

}  // namespace
}  // namespace detent

DETENT_LIBRARY(detent::HistogramObserver);
