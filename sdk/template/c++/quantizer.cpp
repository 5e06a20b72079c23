// SPDX-License-Identifier: Apache-2.0
// @ID@: symmetric integer codes with one scale for each row of a weight.
//
//   q = clamp(round(x / scale[row]), -most, most)     x' = q * scale[row]     most = 2^(bits-1) - 1
//
// A row is an index of dimension 0: an output channel of a Linear, a filter of a convolution.
// Scales are an observer's where there is one, otherwise of the row's own largest magnitude.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <detent/sdk.hpp>

namespace {

namespace sdk = detent::sdk;

class RowCodes final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "@ID@";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "@NAME@";
  static constexpr const char* description = "Symmetric codes of 2 to 8 bits, one scale for a row";
  static constexpr const char* vendor = "@VENDOR@";
  static constexpr const char* license = "Apache-2.0";
  // Promises: the same bytes each time, and what is made of a row depends on no other row.
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* provides[] = {"scheme:detent.affine/1", nullptr};
  static constexpr const char* schema = R"json({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "bits": {
        "type": "integer",
        "minimum": 2,
        "maximum": 8,
        "default": 8,
        "description": "How many bits a code takes; it is stored in eight."
      }
    }
  })json";

  // What it can handle at all: the host refuses everything else before a byte is read.
  static constexpr const char* capabilities = R"json({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"dtype": {"const": "int8"}, "symmetric": {"const": true},
                              "granularity": {"const": "per_channel"}, "axis": {"const": 0}}}
  })json";

  explicit RowCodes(const sdk::Config& config)
      : bits_(config.params.get("/bits", int64_t{8})), most_((int64_t{1} << (bits_ - 1)) - 1) {
    if (config.role == DETENT_ROLE_ACTIVATION)
      throw sdk::Error(DETENT_E_PARAMS,
                       "@ID@ quantizes weights, not activations\n"
                       "name another quantizer under \"activation\"");
  }

  // Asked for every floating-point tensor of a layer, without data.
  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    if (!sdk::is_floating_point(tensor.dtype))
      return planner.decline("not a floating-point tensor");
    if (tensor.param.find("weight") == std::string_view::npos)
      return planner.decline("parameter \"" + std::string(tensor.param) + "\" is not a weight");
    if (tensor.shape.size() < 2) return planner.decline("one-dimensional parameter");
    if (tensor.numel() == 0) return planner.decline("no elements");
    for (const sdk::Status& s :
         {planner.target(target()), planner.output("qweight", DETENT_I8, tensor.shape),
          planner.output("scale", DETENT_F32, {tensor.shape[0]}),
          planner.meta("scheme", "\"detent.affine/1\""), planner.meta("algorithm", "\"rtn\""),
          planner.meta("bits", std::to_string(bits_))})
      if (!s.ok()) return s;
    return {};
  }

  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call& call) override {
    if (weight.ndim() < 2 || !sdk::is_floating_point(weight.dtype()))
      return {DETENT_E_UNSUPPORTED, "@ID@ takes floating-point weights of two or more dimensions"};
    const int64_t rows = weight.size(0);
    float* scale = out.create<float>("scale", {rows});
    int8_t* codes = out.create<int8_t>("qweight", weight.shape());
    if (weight.numel() == 0) return {};
    if (scale == nullptr || codes == nullptr)
      return {DETENT_E_NO_MEMORY, "the host gave no room for the codes"};
    const float* observed = stats.data<float>("scale", rows);
    for (int64_t r = 0; r < rows; ++r) {
      if (call.cancelled()) return {DETENT_E_CANCELLED};
      const detent_tensor row = detent_row(&weight.raw(), r);
      scale[r] = observed != nullptr ? observed[r] : own_scale(sdk::TensorView(row));
      if (!(scale[r] > 0) || !std::isfinite(scale[r]))
        return {DETENT_E_INVALID_ARG,
                "the scale of row " + std::to_string(r) + " is not a positive number"};
      if (!encode(sdk::TensorView(row), scale[r], codes))
        return {DETENT_E_NUMERIC, "row " + std::to_string(r) + " holds NaN or infinite values"};
    }
    return {};
  }

  // Perhaps in another process: everything comes from what was stored.
  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override {
    const sdk::TensorView to = out.view();
    float* values = out.data<float>();
    if (to.ndim() < 2 || to.dtype() != DETENT_F32)
      return {DETENT_E_UNSUPPORTED, "@ID@ gives float32 of two or more dimensions"};
    const int64_t n = to.numel(), rows = to.size(0);
    if (n == 0) return {};
    const int8_t* codes = quantized.data<int8_t>("qweight", n);
    const float* scale = quantized.data<float>("scale", rows);
    if (codes == nullptr || scale == nullptr)
      return {DETENT_E_INVALID_ARG, "\"qweight\" or \"scale\" is missing, or not as it was made"};
    const int64_t columns = n / rows;
    for (int64_t i = 0; i < n; ++i) {
      if (i % columns == 0 && call.cancelled()) return {DETENT_E_CANCELLED};
      values[i] = static_cast<float>(codes[i]) * scale[i / columns];
    }
    return {};
  }

 private:
  detent_qspec target() const {
    detent_qspec target{};
    target.struct_size = sizeof target;
    target.qdtype = target.zero_dtype = DETENT_I8;
    target.scale_dtype = DETENT_F32;
    target.symmetric = 1;
    target.granularity = DETENT_PER_CHANNEL;
    target.axis = 0;
    target.qmin = -most_;
    target.qmax = most_;
    target.scheme = "detent.affine/1";
    return target;
  }

  float own_scale(const sdk::TensorView& row) const {
    double largest = 0;
    row.for_each(-1, [&](double value, int64_t) { largest = std::max(largest, std::fabs(value)); });
    return sdk::choose_affine(-largest, largest, target()).scale;
  }

  // Moves `codes` past the row. False, and the codes worth nothing, when a value is not finite.
  bool encode(const sdk::TensorView& row, float scale, int8_t*& codes) const {
    const auto most = static_cast<double>(most_);
    bool finite = true;
    row.for_each(-1, [&](double value, int64_t) {
      finite = finite && std::isfinite(value);
      const double code = finite ? std::nearbyint(value / double{scale}) : 0;
      *codes++ = static_cast<int8_t>(std::clamp(code, -most, most));
    });
    return finite;
  }

  int64_t bits_;
  int64_t most_;
};

}  // namespace

DETENT_LIBRARY(RowCodes);
