// SPDX-License-Identifier: Apache-2.0
// Int8: 8-bit affine codes, one scale per channel or per tensor, for weights and activations.
//
//   q = clamp(round(x / scale) + zero_point, qmin, qmax)      x' = (q - zero_point) * scale
//
// Shapes    qweight: the weight's. scale, zero_point: [channels], the extent of `axis`, or []. A
//           channel holds all elements of one index along `axis`: a row of a Linear or Embedding, a
//           filter of a convolution
// Codes     a narrow range is -127..127 (uint8: 1..255), a full one -128..127 (0..255). Symmetric
//           int8 divides max|x| by 127 either way
// Others    "convention" gives the codes, scales and zero points of other software
// Zeros     symmetric: no tensor "zero_point". It is 0 for int8; for uint8 it is 128, and the
//           metadata "zero_point" says so
// Scales    an observer's where there is one, otherwise of the weight's own minimum and maximum
// Rounding  a float64 weight is rounded to float32 before the division; its range is exact
// Metadata  scheme, dtype, bits, algorithm (rtn), symmetric, granularity, axis (per channel), qmin,
//           qmax, for symmetric uint8 zero_point, and convention unless it is Detent's own
// Roles     for an activation plan gives target and metadata but no outputs: there is nothing to
//           store but what the observer finds. Extents of the activation may be unknown
#include <limits>

#include "common/convention.hpp"
#include "common/layer_rules.hpp"
#include "int8/channels.hpp"
#include <detent/sdk.hpp>

namespace detent::quantizers {
namespace {

constexpr const char* kNotFinite = "the weight holds NaN or infinite values";

constexpr const char* kSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "symmetric": {
      "type": "boolean",
      "title": "Symmetric",
      "description": "Zero is the middle code. Default: true for weights only.",
      "x-default-by-role": {"weight": true, "activation": false}
    },
    "granularity": {
      "type": "string",
      "enum": ["per_channel", "per_tensor"],
      "title": "Granularity",
      "description": "One scale per index of `axis` (default for weights), or one for all.",
      "x-default-by-role": {"weight": "per_channel", "activation": "per_tensor"}
    },
    "axis": {
      "type": "integer",
      "minimum": 0,
      "maximum": 7,
      "default": 0,
      "title": "Axis",
      "description": "The dimension of the channels; 0 for Linear, Conv and Embedding."
    },
    "dtype": {
      "type": "string",
      "enum": ["int8", "uint8"],
      "default": "int8",
      "title": "Type of the codes",
      "description": "int8, or uint8 (zero point 128 when symmetric)."
    },
    "narrow_range": {
      "type": "boolean",
      "title": "Narrow range",
      "description": "Leave out the lowest code (-128 or 0). Default: true if symmetric; the convention's own for others than detent."
    },
    "convention": {
      "type": "string",
      "enum": ["detent", "torch_ao", "onnxruntime", "tensorrt", "compressed_tensors"],
      "default": "detent",
      "title": "Convention",
      "description": "Whose codes, scales and zero points: of torch.ao's observers (127.5, eps), of ONNX Runtime, of TensorRT (symmetric only), of compressed-tensors. See docs/differences.md."
    }
  }
})json";

class Int8 : public sdk::Quantizer {
 public:
  static constexpr const char* id = "int8";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "INT8";
  static constexpr const char* description =
      "8-bit integer codes with one scale per channel or per tensor";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* provides[] = {"scheme:detent.affine/1", nullptr};
  static constexpr const char* schema = kSchema;
  static constexpr const char* capabilities = R"({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"dtype": {"enum": ["int8", "uint8"]},
                              "granularity": {"enum": ["per_tensor", "per_channel"]},
                              "scheme": {"const": "detent.affine/1"}}}
  })";

  explicit Int8(const sdk::Config& config) {
    const bool weight = config.role != DETENT_ROLE_ACTIVATION;
    activation_ = !weight;
    symmetric_ = config.params.get("/symmetric", weight);
    per_channel_ =
        config.params.get("/granularity", weight ? "per_channel" : "per_tensor") == "per_channel";
    axis_ = static_cast<std::int32_t>(config.params.get("/axis", std::int64_t{0}));
    unsigned_ = config.params.get("/dtype", "int8") == "uint8";
    convention_ = read_convention(config.params);
    Codes8 wanted{symmetric_, unsigned_, std::nullopt};
    if (config.params.has("/narrow_range"))
      wanted.narrow_range = config.params.get("/narrow_range", false);
    narrow_range_ = choose_narrow_range(convention_, wanted);
  }

  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    if (!activation_) {
      const std::string reason = why_not_quantizable(tensor);
      if (!reason.empty()) return planner.decline(reason);
    }
    if (per_channel_ && !tensor.shape.empty()) require_axis(tensor.name, tensor.shape);
    must(planner.target(target()));
    plan_meta(planner);
    if (activation_) return {};
    const Shape scales = scale_shape(tensor.shape);
    must(planner.output("qweight", dtype(), tensor.shape));
    must(planner.output("scale", DETENT_F32, scales));
    if (!symmetric_) must(planner.output("zero_point", dtype(), scales));
    const std::int64_t channels = scales.empty() ? 1 : scales[0];
    return planner.memory(static_cast<std::uint64_t>(channels) * 17 * sizeof(kernels::FiniteRange));
  }

  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call& call) override {
    const Shape shape = weight.shape();
    if (per_channel_) require_axis("", shape);
    const BlockReader reader(weight);
    const Channels channels = per_channel_ ? channels_along(shape, axis_) : one_channel(shape);
    const Shape scales = scale_shape(shape);
    ParamOutputs outputs = create_params(scales, out);
    sdk::MutableTensor q;
    must(out.create("qweight", dtype(), shape, q));
    return unsigned_ ? quantize(reader, channels, stats, call, outputs, q.data<std::uint8_t>())
                     : quantize(reader, channels, stats, call, outputs, q.data<std::int8_t>());
  }

  // Type, granularity and axis are those of what is stored; the parameters stand in where it is
  // silent.
  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override {
    float* x = require_output(out);
    const Shape shape = out.view().shape();
    const detent_tensor* q = quantized.get("qweight");
    const bool has_u8 = q != nullptr && q->dtype == DETENT_U8;
    const char* bytes = require_tensor(quantized, "qweight", has_u8 ? DETENT_U8 : DETENT_I8, shape);

    const detent_tensor* scale = quantized.get("scale");
    const bool per_tensor = scale != nullptr && scale->ndim == 0;
    const std::int64_t axis = integer_meta(quantized, "axis").value_or(axis_);
    if (!per_tensor && (axis < 0 || axis >= static_cast<std::int64_t>(shape.size())))
      throw sdk::Error(DETENT_E_UNSUPPORTED,
                       "the tensor \"scale\" has an entry for each index of axis " +
                           std::to_string(axis) + ", which the shape " + to_text(shape) +
                           " does not have");
    const Channels channels = per_tensor ? one_channel(shape) : channels_along(shape, axis);
    const auto params = require_params(quantized, per_tensor ? Shape{} : Shape{channels.count},
                                       stored_zero_points(quantized, has_u8));
    const ChannelMap map{channels, params, {}};
    return has_u8 ? dequantize_channels(reinterpret_cast<const std::uint8_t*>(bytes), map, call, x)
                  : dequantize_channels(reinterpret_cast<const std::int8_t*>(bytes), map, call, x);
  }

 private:
  detent_dtype dtype() const { return unsigned_ ? DETENT_U8 : DETENT_I8; }
  std::int32_t symmetric_zero() const { return unsigned_ ? 128 : 0; }
  kernels::Codes codes() const {
    const std::int32_t narrow = narrow_range_ ? 1 : 0;
    return unsigned_ ? kernels::Codes{narrow, 255} : kernels::Codes{narrow - 128, 127};
  }

  detent_qspec target() const {
    detent_qspec target{};
    target.struct_size = sizeof target;
    target.qdtype = target.zero_dtype = dtype();
    target.scale_dtype = DETENT_F32;
    target.symmetric = symmetric_ ? 1U : 0U;
    target.granularity = per_channel_ ? DETENT_PER_CHANNEL : DETENT_PER_TENSOR;
    target.axis = per_channel_ ? axis_ : 0;
    target.qmin = codes().min;
    target.qmax = codes().max;
    target.scheme = "detent.affine/1";
    set_rule(rule_of(convention_, 8), target);
    return target;
  }

  Shape scale_shape(const Shape& weight) const {
    return per_channel_ ? Shape{weight[static_cast<std::size_t>(axis_)]} : Shape{};
  }

  void require_axis(std::string_view tensor, const Shape& shape) const {
    const auto dimensions = static_cast<std::int64_t>(shape.size());
    if (axis_ < dimensions) return;
    throw sdk::Error(DETENT_E_PARAMS,
                     "axis " + std::to_string(axis_) + " does not fit " +
                         (tensor.empty() ? "the tensor" : "\"" + std::string(tensor) + "\"") +
                         " with the shape " + to_text(shape) + "\nuse an \"axis\" from 0 to " +
                         std::to_string(dimensions - 1) + ", or \"granularity\": \"per_tensor\"");
  }

  // What an observer may give.
  ZeroPoints zero_points() const {
    ZeroPoints zero{dtype(), codes(), std::nullopt};
    if (symmetric_) {
      zero.codes = {symmetric_zero(), symmetric_zero()};
      zero.otherwise = symmetric_zero();
    }
    return zero;
  }

  ZeroPoints stored_zero_points(const sdk::Source& quantized, bool has_u8) const {
    const char* said = quantized.meta("symmetric");
    const bool symmetric = said != nullptr ? std::string_view(said) == "true" : symmetric_;
    const kernels::Codes all = has_u8 ? kernels::Codes{0, 255} : kernels::Codes{-128, 127};
    const std::int64_t zero = integer_meta(quantized, "zero_point").value_or(has_u8 ? 128 : 0);
    if (zero < all.min || zero > all.max)
      throw sdk::Error(DETENT_E_NUMERIC, "the zero point " + std::to_string(zero) + " is no code");
    ZeroPoints points{has_u8 ? DETENT_U8 : DETENT_I8, all, std::nullopt};
    if (symmetric) points.otherwise = static_cast<std::int32_t>(zero);
    return points;
  }

  std::vector<kernels::AffineParams> choose_params(const BlockReader& reader,
                                                   const Channels& channels,
                                                   const sdk::Call& call) const {
    std::vector<kernels::FiniteRange> ranges;
    must(find_ranges(reader, channels, call, ranges));
    std::vector<kernels::AffineParams> params;
    params.reserve(ranges.size());
    const kernels::AffineRule rule = rule_of(convention_, 8);
    for (const kernels::FiniteRange& r : ranges) {
      if (r.non_finite != 0) throw sdk::Error(DETENT_E_NUMERIC, kNotFinite);
      params.push_back(kernels::choose_affine(r.range.lo, r.range.hi, codes(), symmetric_, rule));
    }
    return params;
  }

  struct ParamOutputs {
    Shape shape;
    sdk::MutableTensor scale;
    sdk::MutableTensor zero;
  };

  ParamOutputs create_params(const Shape& shape, const sdk::Sink& out) const {
    ParamOutputs outputs{shape, {}, {}};
    must(out.create("scale", DETENT_F32, shape, outputs.scale));
    if (!symmetric_) must(out.create("zero_point", dtype(), shape, outputs.zero));
    return outputs;
  }

  void write_params(const std::vector<kernels::AffineParams>& params, ParamOutputs& to) const {
    for (std::size_t i = 0; i < params.size(); ++i) to.scale.data<float>()[i] = params[i].scale;
    if (symmetric_) return;
    auto* bytes = static_cast<std::uint8_t*>(to.zero.bytes());  // two's complement for int8
    for (std::size_t i = 0; i < params.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(params[i].zero_point);
  }

  // An observer's parameters, or those of the weight's own ranges; and the codes.
  template <class Code>
  sdk::Status quantize(const BlockReader& reader, const Channels& channels,
                       const sdk::Source& stats, const sdk::Call& call, ParamOutputs& outputs,
                       Code* q) const {
    std::vector<kernels::AffineParams> params;
    sdk::Status status;
    const bool given = stats.get("scale") != nullptr;
    if (!given && round_channels(reader, channels, rounding(), call, params, q, &status)) {
      if (status.code() == DETENT_E_NUMERIC) return {DETENT_E_NUMERIC, kNotFinite};
    } else {
      params = given ? require_params(stats, outputs.shape, zero_points())
                     : choose_params(reader, channels, call);
      status = quantize_channels(reader, {channels, params, codes()}, call, q);
    }
    write_params(params, outputs);
    return status;
  }

  kernels::Mapping mapping() const {
    return symmetric_ ? kernels::Mapping::symmetric : kernels::Mapping::asymmetric;
  }
  RoundingRules rounding() const { return {codes(), mapping(), rule_of(convention_, 8)}; }

  void plan_meta(const sdk::Planner& planner) const {
    must(planner.meta("scheme", "\"detent.affine/1\""));
    must(planner.meta("dtype", unsigned_ ? "\"uint8\"" : "\"int8\""));
    must(planner.meta("bits", "8"));
    must(planner.meta("algorithm", "\"rtn\""));
    must(planner.meta("symmetric", symmetric_ ? "true" : "false"));
    must(planner.meta("granularity", per_channel_ ? "\"per_channel\"" : "\"per_tensor\""));
    if (per_channel_) must(planner.meta("axis", std::to_string(axis_)));
    must(planner.meta("qmin", std::to_string(codes().min)));
    must(planner.meta("qmax", std::to_string(codes().max)));
    if (symmetric_ && unsigned_) must(planner.meta("zero_point", "128"));
    plan_convention(convention_, planner);
  }

  bool activation_;
  bool symmetric_;
  bool per_channel_;
  bool narrow_range_;
  bool unsigned_;
  Convention convention_;
  std::int32_t axis_;
};

}  // namespace
}  // namespace detent::quantizers

DETENT_LIBRARY(detent::quantizers::Int8);
