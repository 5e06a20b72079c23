// SPDX-License-Identifier: Apache-2.0
// Int4Groupwise: 4-bit affine codes of weights, one scale per group of consecutive inputs.
//
//   q = clamp(round(x / scale) + zero_point, -8, 7)           x' = (q - zero_point) * scale
//
// Shapes    the weight is a matrix [rows, columns] = [shape[0], product of the other extents]. A
//           group is group_size consecutive elements of a row, the last one perhaps fewer. qweight
//           [rows, columns]; scale, zero_point [rows, ceil(columns / group_size)]
// Packing   two codes to a byte, the first in the low nibble, two's complement, rows on whole bytes
// Codes     -8..7. Symmetric: scale = max|x| / 7 and no "zero_point"; asymmetric: zero points are
//           int8, -8..7
// Scales    an observer's where there is one, otherwise of the group's own minimum and maximum.
//           With "search": "mse" the best near these, never worse than plain rounding
// Others    "convention" gives the scales and zero points of other software; search starts there
// Rounding  a float64 weight is rounded to float32 before the division; its ranges are exact
// Metadata  scheme, dtype, bits, algorithm (rtn, search), symmetric, granularity, group_size,
//           packing, shape (the weight's), qmin, qmax, search, and convention unless it is
//           Detent's own
#include "common/convention.hpp"
#include "common/layer_rules.hpp"
#include "int4_groupwise/groups.hpp"
#include "int4_groupwise/skip_rules.hpp"
#include <detent/sdk.hpp>

namespace detent::quantizers {
namespace {

using kernels::Mapping;

constexpr const char* kSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "group_size": {
      "type": "integer",
      "minimum": 1,
      "maximum": 2147483647,
      "default": 128,
      "title": "Group size",
      "description": "Consecutive elements of a row (its inputs) that share a scale."
    },
    "symmetric": {
      "type": "boolean",
      "default": true,
      "title": "Symmetric",
      "description": "Scale = max|w| / 7; otherwise each group has a zero point."
    },
    "tail": {
      "type": "string",
      "enum": ["short", "error"],
      "default": "short",
      "title": "Rows that are no whole number of groups",
      "description": "short: the last group is shorter; error: the layer is refused."
    },
    "search": {
      "type": "string",
      "enum": ["none", "mse"],
      "default": "none",
      "title": "Scale search",
      "description": "mse: per group the scale (and zero point) of least squared error."
    },
    "convention": {
      "type": "string",
      "enum": ["detent", "torch_ao", "onnxruntime", "tensorrt", "compressed_tensors"],
      "default": "detent",
      "title": "Convention",
      "description": "Whose scales and zero points: of torchao, of ONNX Runtime's blocks, of compressed-tensors (all 7.5), of TensorRT (symmetric only). See docs/differences.md."
    },
    "default_skip": {
      "type": "boolean",
      "default": true,
      "title": "Skip sensitive layers",
      "description": "Keep embeddings, lm_head and layers under 512 parameters."
    }
  }
})json";

class Int4Groupwise : public sdk::Quantizer {
 public:
  static constexpr const char* id = "int4_groupwise";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "INT4 group-wise";
  static constexpr const char* description =
      "4-bit integer codes of weights with one scale per group of inputs";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* provides[] = {"scheme:detent.affine/1", nullptr};
  static constexpr const char* schema = kSchema;
  static constexpr const char* capabilities = R"({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"dtype": {"const": "int4"},
                              "granularity": {"const": "per_group"},
                              "group_size": {"type": "integer", "minimum": 1},
                              "scheme": {"const": "detent.affine/1"}}}
  })";

  explicit Int4Groupwise(const sdk::Config& config) {
    require_weight_role(config, "int4_groupwise");
    group_size_ = config.params.get("/group_size", std::int64_t{128});
    if (group_size_ < 1) throw sdk::Error(DETENT_E_PARAMS, "group_size must be at least 1");
    mapping_ = config.params.get("/symmetric", true) ? Mapping::symmetric : Mapping::asymmetric;
    convention_ = read_convention(config.params);
    require_symmetric_for(convention_, mapping_ == Mapping::symmetric);
    short_tail_ = config.params.get("/tail", "short") == "short";
    search_ = config.params.get("/search", "none") == "mse" ? ScaleSearch::mse : ScaleSearch::none;
    default_skip_ = config.params.get("/default_skip", true);
  }

  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override {
    std::string reason = why_not_quantizable(tensor);
    if (reason.empty() && default_skip_) reason = why_skipped_by_default(tensor);
    if (!reason.empty()) return planner.decline(reason);

    const GroupedMatrix matrix(tensor.shape, group_size_);
    const bool fits = matrix.columns % group_size_ == 0;
    if (!fits && !short_tail_)
      return {DETENT_E_PARAMS, explain_misfit(tensor, matrix.columns, group_size_)};
    must(planner.target(target()));
    must(planner.output("qweight", DETENT_I4, matrix.codes_shape()));
    must(planner.output("scale", DETENT_F32, matrix.scale_shape()));
    if (mapping_ == Mapping::asymmetric)
      must(planner.output("zero_point", DETENT_I8, matrix.scale_shape()));
    plan_meta(tensor.shape, planner);
    const auto groups = static_cast<std::uint64_t>(matrix.rows * matrix.groups_per_row);
    return planner.memory(groups * 2 * sizeof(kernels::AffineParams));
  }

  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call& call) override {
    const BlockReader reader(weight);
    const GroupedMatrix matrix(weight.shape(), group_size_);
    std::vector<kernels::AffineParams> params;
    if (stats.get("scale") != nullptr)
      params = require_params(stats, matrix.scale_shape(), zero_points(mapping_));
    sdk::MutableTensor codes;
    must(out.create("qweight", DETENT_I4, matrix.codes_shape(), codes));
    must(quantize_groups(reader, matrix, {mapping_, search_, rule_of(convention_, 4)}, call, params,
                         static_cast<std::uint8_t*>(codes.bytes())));
    write_params(params, matrix, out);
    return {};
  }

  // Packed codes are a tensor of 4-bit integers, or of bytes where a format has no such type.
  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override {
    float* x = require_output(out);
    const std::int64_t group_size = integer_meta(quantized, "group_size").value_or(group_size_);
    if (group_size < 1) return {DETENT_E_UNSUPPORTED, "the metadata \"group_size\" is less than 1"};
    const GroupedMatrix matrix(out.view().shape(), group_size);
    const detent_tensor* q = quantized.get("qweight");
    const bool as_bytes = q != nullptr && q->dtype == DETENT_U8;
    const char* codes =
        as_bytes
            ? require_tensor(quantized, "qweight", DETENT_U8, {matrix.rows, matrix.row_bytes()})
            : require_tensor(quantized, "qweight", DETENT_I4, matrix.codes_shape());
    const char* said = quantized.meta("symmetric");
    const bool symmetric =
        said != nullptr ? std::string_view(said) == "true" : mapping_ == Mapping::symmetric;
    const auto params =
        require_params(quantized, matrix.scale_shape(),
                       zero_points(symmetric ? Mapping::symmetric : Mapping::asymmetric));
    return dequantize_groups(reinterpret_cast<const std::uint8_t*>(codes), matrix, params, call, x);
  }

 private:
  detent_qspec target() const {
    detent_qspec target{};
    target.struct_size = sizeof target;
    target.qdtype = DETENT_I4;
    target.scale_dtype = DETENT_F32;
    target.zero_dtype = DETENT_I8;
    target.symmetric = mapping_ == Mapping::symmetric ? 1U : 0U;
    target.granularity = DETENT_PER_GROUP;
    target.group_size = group_size_;
    target.qmin = kInt4.min;
    target.qmax = kInt4.max;
    target.scheme = "detent.affine/1";
    set_rule(rule_of(convention_, 4), target);
    return target;
  }

  static ZeroPoints zero_points(Mapping mapping) {
    if (mapping == Mapping::asymmetric) return {DETENT_I8, kInt4, std::nullopt};
    return {DETENT_I8, {0, 0}, 0};
  }

  void write_params(const std::vector<kernels::AffineParams>& params, const GroupedMatrix& matrix,
                    const sdk::Sink& out) const {
    sdk::MutableTensor scale;
    must(out.create("scale", DETENT_F32, matrix.scale_shape(), scale));
    for (std::size_t i = 0; i < params.size(); ++i) scale.data<float>()[i] = params[i].scale;
    if (mapping_ == Mapping::symmetric) return;
    sdk::MutableTensor zero;
    must(out.create("zero_point", DETENT_I8, matrix.scale_shape(), zero));
    for (std::size_t i = 0; i < params.size(); ++i)
      zero.data<std::int8_t>()[i] = static_cast<std::int8_t>(params[i].zero_point);
  }

  void plan_meta(const Shape& weight, const sdk::Planner& planner) const {
    must(planner.meta("scheme", "\"detent.affine/1\""));
    must(planner.meta("dtype", "\"int4\""));
    must(planner.meta("bits", "4"));
    must(planner.meta("algorithm", search_ == ScaleSearch::none ? "\"rtn\"" : "\"search\""));
    must(planner.meta("symmetric", mapping_ == Mapping::symmetric ? "true" : "false"));
    must(planner.meta("granularity", "\"per_group\""));
    must(planner.meta("group_size", std::to_string(group_size_)));
    must(planner.meta("packing", "\"low-nibble-first\""));
    must(planner.meta("shape", to_text(weight)));
    must(planner.meta("qmin", std::to_string(kInt4.min)));
    must(planner.meta("qmax", std::to_string(kInt4.max)));
    must(planner.meta("search", search_ == ScaleSearch::mse ? "\"mse\"" : "\"none\""));
    plan_convention(convention_, planner);
  }

  std::int64_t group_size_;
  Mapping mapping_;
  bool short_tail_;
  ScaleSearch search_;
  Convention convention_;
  bool default_skip_;
};

}  // namespace
}  // namespace detent::quantizers

DETENT_LIBRARY(detent::quantizers::Int4Groupwise);
