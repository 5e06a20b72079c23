// SPDX-License-Identifier: Apache-2.0
// mse: the range of a weight that quantizes it with the least sum of |w - w'|^norm.
//
// Sources   GPTQ's option `mse` (Frantar et al., arXiv:2210.17323: norm 2.4, grid 100, maxshrink
//           0.8), OMSE (Choukroun et al., arXiv:1902.06822), the observer memoryless_mse of
//           llm-compressor (norm 2.4, grid 100, maxshrink 0.2, patience 5)
// Ends      are moved together, as there: on a transformer's weights moving them apart gains 0.01
// dB
#include "../common/capabilities.hpp"
#include "../common/clip_observer.hpp"

namespace detent {
namespace {

constexpr ClipRules kDefaults{{100, 0.8, 0, false}, 2.4};

class Mse final : public ClipObserver {
 public:
  static constexpr const char* id = "mse";
  static constexpr const char* version = "0.1.0";
  static constexpr const char* name = "Least error of a weight";
  static constexpr const char* description =
      "Searches how much of a weight's range to give up so that the error is least; per tensor, "
      "channel or group.";
  static constexpr const char* vendor = "Detent";
  static constexpr const char* license = "Apache-2.0";
  static constexpr const char* aliases[] = {"mseobserver", "memorylessmse", nullptr};
  static constexpr const char* provides[] = {"stat:minmax/1", "stat:counts/1", nullptr};
  static constexpr uint64_t flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE;
  static constexpr const char* capabilities = kObserverCapabilities;
  static constexpr const char* schema = R"({
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "norm": {
        "title": "Norm",
        "description": "The power of the errors that are added up; 2: squared error.",
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 8,
        "default": 2.4
      },
      "grid": {
        "title": "Grid",
        "description": "Candidates are 1, 1 - 1/grid, 1 - 2/grid and so on of the range.",
        "type": "integer",
        "minimum": 1,
        "maximum": 10000,
        "default": 100
      },
      "maxshrink": {
        "title": "Most to give up",
        "description": "The candidates stop before 1 - maxshrink. GPTQ: 0.8, llm-compressor: 0.2.",
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.8
      },
      "patience": {
        "title": "Patience",
        "description": "So many candidates in a row without a better one end the search of a tensor, channel or group; 0: all are tried. llm-compressor: 5, for all groups together.",
        "type": "integer",
        "minimum": 0,
        "maximum": 10000,
        "default": 0
      },
      "separate_ends": {
        "title": "Separate ends",
        "description": "Shrink each end of an asymmetric range on its own, after both together; three times as many candidates.",
        "type": "boolean",
        "default": false
      },
      "non_finite": {
        "title": "NaN and infinities",
        "description": "ignore: leave them out and count them. error: refuse a weight that holds one.",
        "enum": ["ignore", "error"],
        "default": "ignore"
      }
    }
  })";

  explicit Mse(const sdk::Config& config) : ClipObserver(config, id, kDefaults) {}
};

}  // namespace
}  // namespace detent

DETENT_LIBRARY(detent::Mse);
