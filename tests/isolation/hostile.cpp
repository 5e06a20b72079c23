// SPDX-License-Identifier: Apache-2.0
// A plugin of each kind that does right until it is told not to. Parameters:
//
//   do   what it does wrong; "" nothing
//   on   only for targets that begin so
//   in   the operation in which it happens; "" the one that works on data
//
// What each harm is stands in do_harm and beside the answers below.
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>
#include <vector>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

constexpr const char* kSchema = R"({"type": "object", "additionalProperties": false, "properties": {
  "do": {"type": "string", "default": ""}, "on": {"type": "string", "default": ""},
  "in": {"type": "string", "default": ""}, "path": {"type": "string", "default": ""}}})";

void eat_memory() {
  constexpr std::size_t kPiece = std::size_t{16} << 20U;
  for (std::vector<char*> all;;) {
    all.push_back(new char[kPiece]);
    std::memset(all.back(), 1, kPiece);
  }
}

class Harm {
 public:
  explicit Harm(const sdk::Config& config)
      : what_(config.params.get("/do", "")),
        in_(config.params.get("/in", "")),
        path_(config.params.get("/path", "")) {
    const std::string on = config.params.get("/on", "");
    if (std::string(config.target).compare(0, on.size(), on) != 0) what_.clear();
  }

  bool is(const char* what) const { return what_ == what; }

  // In an operation: what ends, blocks or leaves the process. DETENT_OK when it is none of these.
  std::int32_t in(const char* operation, const char* usual) const {
    if ((in_.empty() ? usual : in_) != std::string(operation)) return DETENT_OK;
    if (is("segfault")) std::raise(SIGSEGV);
    if (is("abort")) std::abort();
    if (is("exit")) std::exit(3);
    if (is("hang"))
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    if (is("spin"))
      for (volatile unsigned n = 0;;) n = n + 1;
    if (is("memory")) eat_memory();
    if (is("status")) return 4242;
    if (is("fork") && ::fork() == 0) ::_exit(0);
    if (is("file"))
      if (std::FILE* file = std::fopen(path_.c_str(), "w")) std::fclose(file);
    if (is("kill")) ::kill(::getppid(), SIGKILL);
    return DETENT_OK;
  }

  void spoil(const sdk::TensorView& input) const {
    if (is("write_input")) *static_cast<char*>(const_cast<void*>(input.raw().data)) = 1;
  }
  // Up to `more` bytes behind the end.
  void overrun(void* result, std::size_t bytes, std::size_t more) const {
    if (is("write_past")) std::memset(static_cast<char*>(result) + bytes, 1, more);
    if (is("write_far")) std::memset(static_cast<char*>(result) + bytes, 1, more << 12U);
  }

 private:
  std::string what_;
  std::string in_;
  std::string path_;
};

class BadObserver final : public sdk::Observer {
 public:
  static constexpr const char* id = "hostile.observer";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Hostile observer";
  static constexpr const char* description = "The largest magnitude of each channel";
  static constexpr const char* schema = kSchema;

  explicit BadObserver(const sdk::Config& config) : harm_(config), axis_(config.qspec->axis) {}

  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    if (const std::int32_t status = harm_.in("observe", "observe"); status != 0)
      return sdk::Status(status);
    harm_.spoil(x);
    largest_.resize(static_cast<std::size_t>(x.size(axis_)), 0.0);
    x.for_each(axis_, [&](double v, std::int64_t c) {
      double& most = largest_[static_cast<std::size_t>(c)];
      most = std::max(most, std::fabs(v));
    });
    return {};
  }
  sdk::Status reset() override { return largest_.clear(), sdk::Status(); }
  sdk::Status save(sdk::Writer& out) const override { return out.vec(largest_), sdk::Status(); }
  sdk::Status load(sdk::Reader& in) override {
    return in.vec(largest_, 1U << 20U) ? sdk::Status() : sdk::Status(DETENT_E_BAD_STATE, "short");
  }
  sdk::Status merge(const BadObserver& other) {
    largest_.resize(std::max(largest_.size(), other.largest_.size()), 0.0);
    for (std::size_t i = 0; i < other.largest_.size(); ++i)
      largest_[i] = std::max(largest_[i], other.largest_[i]);
    return {};
  }
  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call&) const override {
    if (const std::int32_t status = harm_.in("compute_qparams", "observe"); status != 0)
      return sdk::Status(status);
    auto n = static_cast<std::int64_t>(largest_.size());
    if (harm_.is("wrong_shape")) n += 1;
    float* scale = out.create<float>("scale", {n});
    for (std::size_t i = 0; i < largest_.size(); ++i)
      scale[i] = sdk::choose_affine(-largest_[i], largest_[i], target).scale;
    if (harm_.is("nan_scales")) scale[0] = std::nanf("");
    if (harm_.is("zero_scales")) scale[0] = 0;
    harm_.overrun(scale, static_cast<std::size_t>(n) * sizeof *scale, 8);
    return {};
  }

 private:
  Harm harm_;
  std::int32_t axis_;
  std::vector<double> largest_;
};

class BadQuantizer final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "hostile.quantizer";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Hostile quantizer";
  static constexpr const char* description = "Symmetric rounding to 8 bits, per row";
  static constexpr const char* schema = kSchema;

  explicit BadQuantizer(const sdk::Config& config) : harm_(config) {}

  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    if (tensor.shape.size() != 2) return planner.decline("only matrices");
    if (const std::int32_t status = harm_.in("plan", "quantize"); status != 0)
      return sdk::Status(status);
    for (const sdk::Status& s :
         {planner.target(target()), planner.output("qweight", DETENT_I8, tensor.shape),
          planner.output("scale", DETENT_F32, {tensor.shape[0]}),
          planner.meta("scheme", "\"detent.affine/1\""), planner.meta("algorithm", "\"rtn\"")})
      if (!s.ok()) return s;
    return {};
  }

  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call&) override {
    if (const std::int32_t status = harm_.in("quantize", "quantize"); status != 0)
      return sdk::Status(status);
    harm_.spoil(weight);
    const std::int64_t rows = weight.size(0);
    const float* given = stats.data<float>("scale", rows);
    float* scale = out.create<float>("scale", {harm_.is("wrong_shape") ? rows + 1 : rows});
    std::vector<double> largest(static_cast<std::size_t>(rows), 0.0);
    weight.for_each(0, [&](double x, std::int64_t row) {
      double& most = largest[static_cast<std::size_t>(row)];
      most = std::max(most, std::fabs(x));
    });
    for (std::size_t row = 0; row < largest.size(); ++row)
      scale[row] = given != nullptr
                       ? given[row]
                       : sdk::choose_affine(-largest[row], largest[row], target()).scale;
    std::int8_t* const codes = out.create<std::int8_t>("qweight", weight.shape());
    std::int8_t* code = codes;
    weight.for_each(0, [&](double x, std::int64_t row) {
      const float q = std::nearbyint(static_cast<float>(x) / scale[row]);
      *code++ = static_cast<std::int8_t>(std::min(std::max(q, -127.0F), 127.0F));
    });
    if (harm_.is("nan_scales")) scale[0] = std::nanf("");
    if (harm_.is("zero_scales")) scale[0] = 0;
    harm_.overrun(codes, static_cast<std::size_t>(weight.numel()), 8);
    return {};
  }

  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call&) override {
    if (const std::int32_t status = harm_.in("dequantize", "quantize"); status != 0)
      return sdk::Status(status);
    const sdk::TensorView view = out.view();
    const std::int64_t n = view.numel();
    const std::int8_t* codes = quantized.data<std::int8_t>("qweight", n);
    const float* scale = quantized.data<float>("scale", view.size(0));
    if (codes == nullptr || scale == nullptr) return {DETENT_E_INVALID_ARG, "codes are missing"};
    float* to = out.data<float>();
    const std::int64_t columns = n / view.size(0);
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(codes[i]) * scale[i / columns];
    return {};
  }

 private:
  static detent_qspec target() {
    detent_qspec spec{};
    spec.struct_size = sizeof spec;
    spec.qdtype = DETENT_I8;
    spec.scale_dtype = DETENT_F32;
    spec.zero_dtype = DETENT_I8;
    spec.symmetric = 1;
    spec.granularity = DETENT_PER_CHANNEL;
    spec.qmin = -127;
    spec.qmax = 127;
    spec.scheme = "detent.affine/1";
    return spec;
  }

  Harm harm_;
};

// Tensors one behind the other, and an index in front, in a format of its own.
class BadSerializer final : public sdk::Serializer {
 public:
  static constexpr const char* id = "hostile.serializer";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Hostile serializer";
  static constexpr const char* description = "Numbers in a row";
  static constexpr const char* schema = kSchema;

  explicit BadSerializer(const sdk::Config& config) : harm_(config) {}

  sdk::Status begin(const sdk::Folder& folder, const char* file) override {
    if (const std::int32_t status = harm_.in("begin", "add_tensor"); status != 0)
      return sdk::Status(status);
    at_ = 0;
    return folder.open(file, file_);
  }
  sdk::Status declare(const detent_tensor_spec&) override { return {}; }
  sdk::Status set_metadata(std::string_view, std::string_view) override { return {}; }
  sdk::Status add_tensor(std::string_view, const sdk::TensorView& tensor) override {
    if (const std::int32_t status = harm_.in("add_tensor", "add_tensor"); status != 0)
      return sdk::Status(status);
    harm_.spoil(tensor);
    const auto& raw = tensor.raw();
    if (!file_.write(at_, raw.data, raw.nbytes)) return {DETENT_E_IO, "cannot write"};
    at_ += raw.nbytes;
    return {};
  }
  sdk::Status finish() override { return sdk::Status(harm_.in("finish", "add_tensor")); }
  void abort() noexcept override {}

 private:
  Harm harm_;
  sdk::File file_;
  std::uint64_t at_ = 0;
};

class BadValidator final : public sdk::Validator {
 public:
  static constexpr const char* id = "hostile.validator";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Hostile validator";
  static constexpr const char* description = "Finds nothing";
  static constexpr const char* schema = kSchema;
  static constexpr const char* requirements[] = {DETENT_NEEDS_ORIGINAL, nullptr};

  explicit BadValidator(const sdk::Config& config) : harm_(config) {}

  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call&) override {
    if (const std::int32_t status = harm_.in("check", "check"); status != 0)
      return sdk::Status(status);
    if (input.original != nullptr) harm_.spoil(sdk::TensorView(*input.original));
    return out.report({"looked", 1.0});
  }

 private:
  Harm harm_;
};

}  // namespace

DETENT_LIBRARY(BadObserver, BadQuantizer, BadSerializer, BadValidator);
