// SPDX-License-Identifier: Apache-2.0
// northwind.nf3: three bits a weight, an index into a code book of eight levels, and a scale for
// each group of a row.
//
//   x' = level[code] * scale        scale = max|x| of the group; 1 for a group of zeros
//
// Code book  the quantiles of a normal distribution (NF3), zero and both ends among them
// Shapes     the weight [rows, ...] is a matrix [rows, columns]. qweight: U8 [rows, ceil(3 columns
// / 8)];
//            scale: F32 [rows, ceil(columns / group_size)]
// Packing    code i of a row is in bits [3i, 3i + 3) of a little-endian bit string; unused bits are
// 0 Metadata   scheme "northwind.nf3/1", group_size, codebook
#pragma once
#include <detent/sdk.hpp>

namespace northwind {

namespace sdk = detent::sdk;

class Nf3 final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "northwind.nf3";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Northwind NF3";
  static constexpr const char* description = "Three bits a weight: a code book of eight levels";
  static constexpr const char* vendor = "Northwind Semiconductor";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* provides[] = {"scheme:northwind.nf3/1", nullptr};
  static constexpr const char* schema = R"json({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "group_size": {
        "type": "integer",
        "minimum": 8,
        "maximum": 1024,
        "multipleOf": 8,
        "default": 64,
        "description": "How many weights of a row share a scale."
      }
    }
  })json";
  static constexpr const char* capabilities = R"json({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}}
  })json";

  explicit Nf3(const sdk::Config& config);
  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override;
  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call& call) override;
  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override;

 private:
  int64_t group_size_;
};

}  // namespace northwind
