// SPDX-License-Identifier: Apache-2.0
// The plugins of this library.
#pragma once
#include <vector>

#include <detent/sdk.hpp>

namespace acme {

namespace sdk = detent::sdk;

struct Acme {
  static constexpr const char* version = "1.2.0";
  static constexpr const char* vendor = "Acme";
  static constexpr const char* license = "MIT";
};

// acme.absmax: range [-m, m] of the largest magnitude m, per tensor, channel or group of a row.
class AbsMax final : public sdk::Observer {
 public:
  static constexpr const char* id = "acme.absmax";
  static constexpr const char* version = Acme::version;
  static constexpr const char* name = "Acme absolute maximum";
  static constexpr const char* description = "Range [-m, m] of the largest magnitude m";
  static constexpr const char* vendor = Acme::vendor;
  static constexpr const char* license = Acme::license;
  static constexpr uint64_t flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC;

  explicit AbsMax(const sdk::Config& config) : target_(*config.qspec) {}
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override;
  sdk::Status reset() override;
  sdk::Status save(sdk::Writer& out) const override;
  sdk::Status load(sdk::Reader& in) override;
  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call& call) const override;
  sdk::Status merge(const AbsMax& other);

 private:
  detent_qspec target_;
  std::vector<int64_t> shape_;   // of the scales
  std::vector<double> largest_;  // -1 before a slot's first number
};

// acme.int3: codes -3..3 in int8, one scale a row. Takes its scale from an observer when there is
// one.
class Int3 final : public sdk::Quantizer {
 public:
  static constexpr const char* id = "acme.int3";
  static constexpr const char* aliases[] = {"acme.three_bits", nullptr};
  static constexpr const char* version = Acme::version;
  static constexpr const char* name = "Acme 3-bit";
  static constexpr const char* description = "Seven codes, one scale for each output channel";
  static constexpr const char* vendor = Acme::vendor;
  static constexpr const char* license = Acme::license;
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC;
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "clip": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1,
               "description": "share of the largest magnitude that the outer codes stand for"}}})";

  explicit Int3(const sdk::Config& config) : clip_(config.params.get("/clip", 1.0)) {}
  sdk::Status plan(const sdk::TensorInfo& tensor, const sdk::Planner& planner) override;
  sdk::Status quantize(const sdk::TensorView& weight, const sdk::Source& stats,
                       const sdk::Sink& out, const sdk::Call& call) override;
  sdk::Status dequantize(const sdk::Source& quantized, const sdk::MutableTensor& out,
                         const sdk::Call& call) override;

 private:
  double clip_;
};

}  // namespace acme
