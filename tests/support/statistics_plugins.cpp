// SPDX-License-Identifier: Apache-2.0
// Plugins for tests of statistics of inputs. Their ids come before those of built-in ones, so that
// they are chosen among several that provide the same. With DETENT_TEST_ALONE: one that cannot
// merge.
#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

constexpr const char* kMoment = "stat:second_moment/1";

// The mean of x^2 of each channel, by addition: exact for the small integers of the tests.
class MeanSquare : public sdk::Observer {
 public:
  static constexpr const char* id = "a.mean_square";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Mean square";
  static constexpr const char* description = "";
  static constexpr const char* provides[] = {kMoment, "stat:maximum/1", nullptr};

  explicit MeanSquare(const sdk::Config& config) : axis_(config.qspec->axis) {
    const bool right = config.role == DETENT_ROLE_ACTIVATION && axis_ == 1 &&
                       config.qspec->granularity == DETENT_PER_CHANNEL;
    if (!right) throw sdk::Error(DETENT_E_PARAMS, "not what was promised");
  }
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    if (x.ndim() != 3) return {DETENT_E_UNSUPPORTED, "not [outer, channels, inner]"};
    const auto channels = static_cast<size_t>(x.size(1));
    if (sums_.empty()) sums_.assign(channels, 0), counts_.assign(channels, 0);
    if (sums_.size() != channels) return {DETENT_E_UNSUPPORTED, "other channels"};
    x.for_each(axis_, [&](double v, int64_t c) {
      if (v - v != 0) return;
      sums_[static_cast<size_t>(c)] += v * v;
      ++counts_[static_cast<size_t>(c)];
    });
    return {};
  }
  sdk::Status reset() override { return sums_.clear(), counts_.clear(), sdk::Status(); }
  sdk::Status save(sdk::Writer& out) const override {
    return out.vec(sums_), out.vec(counts_), sdk::Status();
  }
  sdk::Status load(sdk::Reader& in) override {
    const bool sound =
        in.vec(sums_, 1000) && in.vec(counts_, 1000) && sums_.size() == counts_.size();
    return sound ? sdk::Status() : sdk::Status(DETENT_E_BAD_STATE, "not ours");
  }
  sdk::Status qparams(const detent_qspec&, const sdk::Sink&, const sdk::Call&) const override {
    return {DETENT_E_UNSUPPORTED, "provides statistics only"};
  }
  sdk::Status stat(std::string_view stat_id, const sdk::Sink& out) const override {
    const auto n = static_cast<int64_t>(sums_.size());
    if (stat_id == "stat:maximum/1") return *out.create<double>("maximum", {}) = 9, sdk::Status();
    auto* mean = out.create<double>("mean_square", {n});
    auto* count = out.create<int64_t>("count", {n});
    for (size_t c = 0; c < sums_.size(); ++c) {
      count[c] = counts_[c];
      mean[c] = counts_[c] == 0 ? 0 : sums_[c] / static_cast<double>(counts_[c]);
    }
    return {};
  }

 protected:
  int32_t axis_;
  std::vector<double> sums_;
  std::vector<int64_t> counts_;
};

class Mergeable final : public MeanSquare {
 public:
  using MeanSquare::MeanSquare;
  static constexpr uint64_t flags = DETENT_PLUGIN_MERGE_EXACT;
  sdk::Status merge(const Mergeable& other) {
    if (sums_.empty()) return sums_ = other.sums_, counts_ = other.counts_, sdk::Status();
    for (size_t c = 0; c < other.sums_.size(); ++c)
      sums_.at(c) += other.sums_[c], counts_.at(c) += other.counts_[c];
    return {};
  }
};

// Of a weight, per channel of axis 0: the scale is 1 and the sum of importance * x^2 of the
// channel; 0.5 where nothing is said of importance.
class Weighing : public sdk::Observer {
 public:
  static constexpr const char* id = "a.weighing";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Weighing";
  static constexpr const char* description = "";
  static constexpr const char* requirements[] = {kMoment, nullptr};
  explicit Weighing(const sdk::Config&) {}
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    scales_.assign(static_cast<size_t>(x.size(0)), 0.5F);
    return {};
  }
  sdk::Status observe_weighted(const sdk::TensorView& x, const sdk::TensorView& importance,
                               const sdk::Call&) {
    if (importance.shape() != x.shape() || importance.dtype() != DETENT_F64)
      return {DETENT_E_INVALID_ARG, "not of the weight's shape"};
    std::vector<double> weights;
    importance.for_each(0, [&](double v, int64_t) { weights.push_back(v); });
    std::vector<double> sums(static_cast<size_t>(x.size(0)), 1);
    size_t i = 0;
    x.for_each(
        0, [&](double v, int64_t row) { sums[static_cast<size_t>(row)] += weights[i++] * v * v; });
    scales_.assign(sums.begin(), sums.end());
    return {};
  }
  sdk::Status reset() override { return scales_.clear(), sdk::Status(); }
  sdk::Status save(sdk::Writer&) const override { return {}; }
  sdk::Status load(sdk::Reader&) override { return {}; }
  sdk::Status qparams(const detent_qspec&, const sdk::Sink& out, const sdk::Call&) const override {
    auto* scale = out.create<float>("scale", {static_cast<int64_t>(scales_.size())});
    for (size_t c = 0; c < scales_.size(); ++c) scale[c] = scales_[c];
    return {};
  }

 private:
  std::vector<float> scales_;
};

// Takes an importance and does not ask for one.
class Modest final : public Weighing {
 public:
  using Weighing::Weighing;
  static constexpr const char* id = "a.modest";
  static constexpr const char* requirements[] = {nullptr};
};

// Asks for what no observer is given.
class Demanding final : public Weighing {
 public:
  using Weighing::Weighing;
  static constexpr const char* id = "a.demanding";
  static constexpr const char* requirements[] = {"stat:maximum/1", nullptr};
};

// Asks for an importance and cannot take one.
class Forgetful final : public sdk::Observer {
 public:
  static constexpr const char* id = "a.forgetful";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Forgetful";
  static constexpr const char* description = "";
  static constexpr const char* requirements[] = {kMoment, nullptr};
  explicit Forgetful(const sdk::Config&) {}
  sdk::Status observe(const sdk::TensorView&, const sdk::Call&) override { return {}; }
  sdk::Status reset() override { return {}; }
  sdk::Status save(sdk::Writer&) const override { return {}; }
  sdk::Status load(sdk::Reader&) override { return {}; }
  sdk::Status qparams(const detent_qspec&, const sdk::Sink&, const sdk::Call&) const override {
    return {DETENT_E_NOT_READY};
  }
};

// Codes of its own: nothing of the weight, and what it was told of the inputs, -1 where nothing;
// with an observer its first scale comes first.
class Asking final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "a.asking";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Asking";
  static constexpr const char* description = "";
  static constexpr const char* schema = R"({"type": "object", "properties": {
      "stat": {"type": "string", "default": "stat:second_moment/1"},
      "observed": {"type": "boolean", "default": false}}})";
  explicit Asking(const sdk::Config& config)
      : stat_(config.params.get("/stat", "")), observed_(config.params.get("/observed", false)) {}
  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& p) override {
    if (tensor.shape.size() < 2) return p.decline("not asked about");
    channels_ = tensor.shape[1];
    detent_qspec target{};
    target.struct_size = sizeof target;
    target.qdtype = DETENT_I8;
    target.scale_dtype = DETENT_F32;
    target.symmetric = 1;
    target.granularity = DETENT_PER_CHANNEL;
    target.qmin = -127;
    target.qmax = 127;
    target.scheme = "a.nothing/1";
    if (observed_) (void)p.target(target);
    (void)p.require_stat(stat_.c_str(), "input");
    (void)p.output("qweight", DETENT_I8, tensor.shape);
    (void)p.output("told", DETENT_F64, {channels_});
    return p.meta("scheme", R"("a.nothing/1")");
  }
  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call&) override {
    (void)out.create<int8_t>("qweight", weight.shape());
    auto* told = out.create<double>("told", {channels_});
    const double* given = stats.data<double>("input.mean_square", channels_);
    const auto* count = stats.data<int64_t>("input.count", channels_);
    for (int64_t c = 0; c < channels_; ++c)
      told[c] = given == nullptr || count == nullptr ? -1 : given[c];
    if (const float* scale = stats.data<float>("scale", 1); observed_) told[0] = scale[0];
    return {};
  }
  sdk::Status dequantize(const sdk::Source&, const sdk::MutableTensor&, const sdk::Call&) override {
    return {};
  }

 private:
  std::string stat_;
  bool observed_;
  int64_t channels_ = 0;
};

}  // namespace

#ifdef DETENT_TEST_ALONE
DETENT_LIBRARY(MeanSquare, Weighing);
#else
DETENT_LIBRARY(Mergeable, Weighing, Modest, Demanding, Forgetful, Asking);
#endif
