// SPDX-License-Identifier: Apache-2.0
// plugins.c in C++17 over the SDK: the same four plugins, the same bytes.
#include <cmath>
#include <cstring>
#include <string>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

struct Info {
  static constexpr const char* version = "1.0.0";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
};

double largest_of(const sdk::TensorView& x) {
  double largest = 0;
  x.for_each(-1, [&](double v, int64_t) {
    if (std::isfinite(v) && std::fabs(v) > largest) largest = std::fabs(v);
  });
  return largest;
}

float positive(double step) {
  const float value = static_cast<float>(step);
  return value > 0 ? value : 1;
}

class AbsMax final : public sdk::Observer {
 public:
  static constexpr const char* id = "compat.absmax";
  static constexpr const char* version = Info::version;
  static constexpr const char* vendor = Info::vendor;
  static constexpr const char* license = Info::license;
  static constexpr const char* name = "absmax";
  static constexpr const char* description = "the largest magnitude";
  static constexpr uint64_t flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC;
  static constexpr const char* schema = R"({"type":"object","additionalProperties":false,
    "properties":{"margin":{"type":"number","default":1}}})";
  static constexpr const char* capabilities =
      R"({"target":{"properties":{"granularity":{"const":"per_tensor"}}}})";

  explicit AbsMax(const sdk::Config& config) : margin_(config.params.get("/margin", 1.0)) {
    if (config.qspec != nullptr && config.qspec->granularity != DETENT_PER_TENSOR)
      throw sdk::Error(DETENT_E_UNSUPPORTED, "only per tensor");
  }
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    if (x.dtype() != DETENT_F32) return {DETENT_E_UNSUPPORTED, "only float32"};
    if (x.numel() != 0) largest_ = std::fmax(largest_, largest_of(x));
    return {};
  }
  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (largest_ < 0) return {DETENT_E_NOT_READY, "no data observed"};
    if (target.symmetric == 0) return {DETENT_E_UNSUPPORTED, "only symmetric"};
    *out.create<float>("scale", {}) =
        positive(largest_ * margin_ / static_cast<double>(target.qmax));
    return {};
  }
  sdk::Status merge(const AbsMax& other) {
    largest_ = std::fmax(largest_, other.largest_);
    return {};
  }
  sdk::Status reset() override { return largest_ = -1, sdk::Status(); }
  sdk::Status save(sdk::Writer& out) const override { return out.pod(largest_), sdk::Status(); }
  sdk::Status load(sdk::Reader& in) override {
    double largest = -1;
    const bool sound = in.pod(largest) && in.at_end() &&
                       (largest == -1 || (largest >= 0 && std::isfinite(largest)));
    if (!sound) return {DETENT_E_BAD_STATE, "not a state of compat.absmax"};
    largest_ = largest;
    return {};
  }

 private:
  double margin_;
  double largest_ = -1;
};

class Int8 final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "compat.int8";
  static constexpr const char* version = Info::version;
  static constexpr const char* vendor = Info::vendor;
  static constexpr const char* license = Info::license;
  static constexpr const char* name = "int8";
  static constexpr const char* description = "one scale, symmetric";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;

  explicit Int8(const sdk::Config&) {}
  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    if (tensor.shape.size() < 2) return planner.decline("not a matrix");
    detent_qspec target{};
    target.struct_size = sizeof target;
    target.qdtype = target.zero_dtype = DETENT_I8;
    target.scale_dtype = DETENT_F32;
    target.symmetric = 1;
    target.qmin = -127;
    target.qmax = 127;
    target.scheme = "detent.affine/1";
    for (const sdk::Status& s :
         {planner.target(target), planner.output("qweight", DETENT_I8, tensor.shape),
          planner.output("scale", DETENT_F32, {}), planner.meta("scheme", "\"detent.affine/1\"")})
      if (!s.ok()) return s;
    return {};
  }
  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call&) override {
    if (weight.dtype() != DETENT_F32) return {DETENT_E_UNSUPPORTED, "only float32"};
    float step = positive(largest_of(weight) / 127);
    const detent_tensor* given = stats.get("scale");
    if (given != nullptr && given->dtype == DETENT_F32)
      std::memcpy(&step, static_cast<const char*>(given->data) + given->byte_offset, sizeof step);
    auto* codes = out.create<int8_t>("qweight", weight.shape());
    *out.create<float>("scale", {}) = step;
    weight.for_each(-1, [&](double x, int64_t) {
      *codes++ = static_cast<int8_t>(
          std::fmax(-127, std::fmin(127, std::rint(x / static_cast<double>(step)))));
    });
    return {};
  }
  sdk::Status dequantize(const sdk::Source& from, const sdk::MutableTensor& out,
                         const sdk::Call&) override {
    const detent_tensor* codes = from.get("qweight");
    const detent_tensor* scale = from.get("scale");
    const int64_t n = out.view().numel();
    if (codes == nullptr || scale == nullptr || codes->dtype != DETENT_I8 ||
        scale->dtype != DETENT_F32 || sdk::TensorView(*codes).numel() != n)
      return {DETENT_E_UNSUPPORTED, "not what compat.int8 made"};
    float step = 0;
    std::memcpy(&step, static_cast<const char*>(scale->data) + scale->byte_offset, sizeof step);
    for (int64_t i = 0; i < n; ++i)
      static_cast<float*>(out.bytes())[i] =
          static_cast<float>(static_cast<const int8_t*>(codes->data)[i]) * step;
    return {};
  }
};

class Raw final : public sdk::Serializer {
 public:
  static constexpr const char* id = "compat.raw";
  static constexpr const char* version = Info::version;
  static constexpr const char* vendor = Info::vendor;
  static constexpr const char* license = Info::license;
  static constexpr const char* name = "raw";
  static constexpr const char* description = "names and bytes";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;

  explicit Raw(const sdk::Config&) {}
  sdk::Status begin(const sdk::Folder& folder, const char* file) override {
    end_ = declared_ = added_ = 0;
    return folder.open(file, file_);
  }
  sdk::Status declare(const detent_tensor_spec&) override { return ++declared_, sdk::Status(); }
  sdk::Status set_metadata(std::string_view, std::string_view) override { return {}; }
  sdk::Status add_tensor(std::string_view tensor, const sdk::TensorView& x) override {
    const detent_tensor& t = x.raw();
    const std::string line = std::string(tensor) + '\n';
    const uint64_t bytes = detent_nbytes(t.dtype, t.ndim, t.shape);
    const bool written =
        write(line.data(), line.size()) &&
        (t.data == nullptr || write(static_cast<const char*>(t.data) + t.byte_offset, bytes));
    ++added_;
    return written ? sdk::Status() : sdk::Status(DETENT_E_IO, "the file cannot be written");
  }
  sdk::Status finish() override {
    if (added_ == declared_) return {};
    return {DETENT_E_INVALID_ARG, "a declared tensor was not added"};
  }
  void abort() noexcept override { file_ = sdk::File(); }

 private:
  bool write(const void* data, uint64_t n) {
    const bool ok = file_.write(end_, data, n);
    end_ += n;
    return ok;
  }
  sdk::File file_;
  uint64_t end_ = 0, declared_ = 0, added_ = 0;
};

class Sqnr final : public sdk::Validator {
 public:
  static constexpr const char* id = "compat.sqnr";
  static constexpr const char* version = Info::version;
  static constexpr const char* vendor = Info::vendor;
  static constexpr const char* license = Info::license;
  static constexpr const char* name = "sqnr";
  static constexpr const char* description = "reports SQNR";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;
  static constexpr const char* schema = R"({"type":"object","additionalProperties":false,
    "properties":{"min_db":{"type":"number","default":10}}})";

  explicit Sqnr(const sdk::Config& config) : min_db_(config.params.get("/min_db", 10.0)) {}
  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call&) override {
    if (input.is_quantized == 0 || input.metrics == nullptr) return {};
    const double db = input.metrics->sqnr_db;
    return out.report(
        {"sqnr_db", db, db < min_db_ ? DETENT_FINDING_FAIL : DETENT_FINDING_INFO, "", min_db_});
  }

 private:
  double min_db_;
};

}  // namespace

DETENT_LIBRARY(AbsMax, Int8, Raw, Sqnr);
