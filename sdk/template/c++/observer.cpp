// SPDX-License-Identifier: Apache-2.0
// @ID@: the largest magnitude of the whole tensor or of every channel, times a margin.
//
//   range [-m, m], m = margin * max|x|        NaN and infinite values are passed over
#include <algorithm>
#include <cmath>
#include <vector>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

class AbsMax final : public sdk::Observer {
 public:
  // What a configuration names, and what `detent plugins show` prints.
  static constexpr const char* id = "@ID@";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "@NAME@";
  static constexpr const char* description = "Range [-m, m] of the largest magnitude m";
  static constexpr const char* vendor = "@VENDOR@";
  static constexpr const char* license = "Apache-2.0";
  // Promises: a maximum does not depend on order or grouping, and a row's on no other row.
  static constexpr uint64_t flags =
      DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  // The host checks parameters against this before the constructor runs, and fills in defaults.
  static constexpr const char* schema = R"json({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "margin": {
        "type": "number",
        "minimum": 1,
        "maximum": 100,
        "default": 1,
        "description": "Widens the range."
      }
    }
  })json";

  // What it can handle at all: the host refuses everything else before a byte is read.
  static constexpr const char* capabilities = R"json({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel"]}}}
  })json";

  explicit AbsMax(const sdk::Config& config)
      : margin_(config.params.get("/margin", 1.0)), target_(*config.qspec) {
    if (target_.granularity != DETENT_PER_TENSOR && target_.granularity != DETENT_PER_CHANNEL)
      throw sdk::Error(DETENT_E_UNSUPPORTED,
                       "@ID@ has one range for each tensor or channel, none for groups\n"
                       "use a quantizer with \"per_tensor\" or \"per_channel\"");
  }

  // x is lent for this call: of any strides, to be read only. An error leaves the state as it was.
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override {
    if (!sdk::is_floating_point(x.dtype()))
      return {DETENT_E_UNSUPPORTED, "@ID@ observes floating-point tensors, not this dtype"};
    if (x.numel() == 0) return {};
    if (per_channel() && target_.axis >= x.ndim())
      return {DETENT_E_UNSUPPORTED, "the tensor has no dimension " + std::to_string(target_.axis)};
    std::vector<double> largest = largest_;
    const size_t channels = per_channel() ? static_cast<size_t>(x.size(target_.axis)) : 1;
    if (largest.empty()) largest.assign(channels, kNothing);
    if (largest.size() != channels)
      return {DETENT_E_UNSUPPORTED, "the tensor has " + std::to_string(channels) +
                                        " channels, the one before had " +
                                        std::to_string(largest.size())};
    const int32_t axis = per_channel() ? target_.axis : -1;
    uint64_t seen = 0;
    bool stop = false;
    x.for_each(axis, [&](double value, int64_t channel) {
      double& m = largest[static_cast<size_t>(channel)];
      if (std::isfinite(value)) m = std::max(m, std::fabs(value));
      stop = ++seen % 65536 == 0 && call.cancelled();
      return !stop;
    });
    if (stop) return {DETENT_E_CANCELLED};
    largest_ = std::move(largest);
    return {};
  }

  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (target.granularity != target_.granularity || target.axis != target_.axis)
      return {DETENT_E_UNSUPPORTED, "the target's channels are not those that were observed"};
    if (largest_.empty() || *std::max_element(largest_.begin(), largest_.end()) < 0)
      return {DETENT_E_NOT_READY, "no finite value was observed\ncheck the calibration data"};
    std::vector<double> low, high;
    for (const double largest : largest_) {  // kNothing: a channel without a number, among others
      high.push_back(std::max(largest, 0.0) * margin_);
      low.push_back(-high.back());
    }
    std::vector<int64_t> shape;  // [] per tensor, [channels] per channel
    if (per_channel()) shape.push_back(static_cast<int64_t>(largest_.size()));
    return sdk::put_affine(out, target, shape, low, high);
  }

  // What two instances that saw a part each know together.
  sdk::Status merge(const AbsMax& other) {
    if (other.largest_.empty()) return {};
    if (largest_.empty()) largest_.assign(other.largest_.size(), kNothing);
    if (largest_.size() != other.largest_.size())
      return {DETENT_E_INVALID_ARG, "states of another number of channels cannot be merged"};
    for (size_t c = 0; c < largest_.size(); ++c)
      largest_[c] = std::max(largest_[c], other.largest_[c]);
    return {};
  }

  sdk::Status reset() override {
    largest_.clear();
    return {};
  }

  sdk::Status save(sdk::Writer& out) const override {
    out.vec(largest_);
    return {};
  }

  // The bytes may come from anywhere.
  sdk::Status load(sdk::Reader& in) override {
    const auto sound = [](double m) { return m == kNothing || (m >= 0 && std::isfinite(m)); };
    const uint64_t most = per_channel() ? uint64_t{1} << 32 : 1;
    if (!in.vec(largest_, most) || !std::all_of(largest_.begin(), largest_.end(), sound))
      return {DETENT_E_BAD_STATE, "not a state of @ID@"};
    return {};
  }

 private:
  static constexpr double kNothing = -1;  // of a channel before its first finite value

  bool per_channel() const { return target_.granularity == DETENT_PER_CHANNEL; }

  double margin_;
  detent_qspec target_;
  std::vector<double> largest_;  // of each channel; empty before the first tensor
};

}  // namespace

DETENT_LIBRARY(AbsMax);
