// SPDX-License-Identifier: Apache-2.0
// northwind.percentile: the range [-m, m] that holds a share of the magnitudes of a tensor or
// channel.
//
// Memory    magnitudes are counted in bins whose width is 1/32 of an octave: at most 8,160 for a
// channel,
//           whatever the number of values, and only those that occur
// Answer    the upper end of the bin that holds the percentile, never beyond the largest magnitude:
// at
//           most 1/32 too large, and exact for 100
// Merging   counts are added, the larger maximum counts: the same bytes for every order and
// grouping Special   NaN and infinite values are passed over
#pragma once
#include <map>
#include <vector>

#include <detent/sdk.hpp>

namespace northwind {

namespace sdk = detent::sdk;

class Percentile final : public sdk::Observer {
 public:
  static constexpr const char* id = "northwind.percentile";
  static constexpr const char* version = "1.0.0";
  static constexpr const char* name = "Northwind percentile";
  static constexpr const char* description = "Range that holds a share of the magnitudes";
  static constexpr const char* vendor = "Northwind Semiconductor";
  static constexpr const char* license = "Apache-2.0";
  static constexpr uint64_t flags =
      DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* schema = R"json({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "percentile": {
        "type": "number",
        "minimum": 50,
        "maximum": 100,
        "default": 99.9,
        "description": "Per cent of the magnitudes that the range holds."
      }
    }
  })json";
  static constexpr const char* capabilities = R"json({
    "tensor": {"properties": {"dtype": {"enum": ["F32", "F16", "BF16", "F64"]}}},
    "target": {"properties": {"granularity": {"enum": ["per_tensor", "per_channel"]}}}
  })json";

  explicit Percentile(const sdk::Config& config);
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call& call) override;
  sdk::Status qparams(const detent_qspec& target, const sdk::Sink& out,
                      const sdk::Call& call) const override;
  sdk::Status merge(const Percentile& other);
  sdk::Status reset() override;
  sdk::Status save(sdk::Writer& out) const override;
  sdk::Status load(sdk::Reader& in) override;

 private:
  struct Channel {
    double largest = 0;
    std::map<uint32_t, uint64_t> counts;  // by bin
  };
  bool per_channel() const { return target_.granularity == DETENT_PER_CHANNEL; }
  double magnitude(const Channel& channel) const;

  double percentile_;
  detent_qspec target_;
  std::vector<Channel> channels_;  // empty before the first tensor
};

}  // namespace northwind
