// SPDX-License-Identifier: Apache-2.0
// org.example.absmax: the largest magnitude of every channel, times a margin. Start your plugin
// here.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

class AbsMax final : public sdk::Observer {
 public:
  // What a configuration names, and what `detent plugins show` prints.
  static constexpr const char* id = "org.example.absmax";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Absolute maximum";
  static constexpr const char* description = "Range [-m, m] of the largest magnitude m";
  static constexpr const char* vendor = "Example";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC;
  // The host checks parameters against this before the constructor runs, and fills in defaults.
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "margin": {"type": "number", "minimum": 1, "default": 1, "description": "widens the range"}}})";

  explicit AbsMax(const sdk::Config& config)
      : axis_(config.qspec->granularity == DETENT_PER_CHANNEL ? config.qspec->axis : -1),
        margin_(config.params.get("/margin", 1.0)) {
    if (config.qspec->granularity > DETENT_PER_CHANNEL)
      throw sdk::Error(DETENT_E_PARAMS, "absmax has no ranges per group\nuse \"per_channel\"");
  }

  // x is only lent. Anything that is not a number is skipped, so the order of batches cannot
  // matter.
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    if (axis_ >= x.ndim()) return {DETENT_E_UNSUPPORTED, "the tensor has no such channel axis"};
    const size_t channels = axis_ < 0 ? 1 : static_cast<size_t>(x.size(axis_));
    if (largest_.empty()) largest_.assign(channels, -1);
    if (largest_.size() != channels)
      return {DETENT_E_UNSUPPORTED, "the number of channels changed"};
    const bool known = x.for_each(axis_, [&](double value, int64_t channel) {
      double& largest = largest_[static_cast<size_t>(channel)];
      if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
    });
    return known ? sdk::Status()
                 : sdk::Status(DETENT_E_UNSUPPORTED, "dtype is not known to absmax");
  }

  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (largest_.empty() || *std::max_element(largest_.begin(), largest_.end()) < 0)
      return {DETENT_E_NOT_READY, "no data observed\ncheck the calibration data"};
    std::vector<double> low, high;
    for (const double largest : largest_) {  // -1: a channel without a number, among others
      high.push_back(std::max(largest, 0.0) * margin_);
      low.push_back(-high.back());
    }
    std::vector<int64_t> shape;  // [] per tensor, [C] per channel
    if (axis_ >= 0) shape.push_back(static_cast<int64_t>(largest_.size()));
    return sdk::put_affine(out, target, shape, low, high);
  }

  sdk::Status merge(const AbsMax& other) {
    if (largest_.empty()) largest_ = other.largest_;
    for (size_t c = 0; c < other.largest_.size(); ++c)
      largest_.at(c) = std::max(largest_[c], other.largest_[c]);
    return {};
  }
  sdk::Status reset() override { return largest_.clear(), sdk::Status(); }
  sdk::Status save(sdk::Writer& out) const override { return out.vec(largest_), sdk::Status(); }
  sdk::Status load(sdk::Reader& in) override {  // the bytes may come from anywhere
    const bool sound = in.vec(largest_, uint64_t{1} << 32) &&
                       std::all_of(largest_.begin(), largest_.end(), [](double m) {
                         return m == -1 || (m >= 0 && std::isfinite(m));
                       });
    return sound ? sdk::Status() : sdk::Status(DETENT_E_BAD_STATE, "not a state of absmax");
  }

 private:
  int32_t axis_;  // -1: the whole tensor is one channel
  double margin_;
  std::vector<double> largest_;  // per channel; -1 before its first number
};

}  // namespace

DETENT_LIBRARY(AbsMax);
