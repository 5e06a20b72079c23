// SPDX-License-Identifier: Apache-2.0
// size: is the artefact as small as it should be?
//
//   compression_ratio = tensor bytes before / tensor bytes after
//
// FAIL      ratio below min_ratio; not above 1 unless min_ratio allows it; more file bytes than
//           max_bytes
// WARN      nothing was quantized; the tensors shrank and the files did not
// Units     bytes. The ratio is of tensor data: in a tiny model the metadata outweighs the weights
#include <limits>
#include <string>

#include "../common/built_in.hpp"
#include "../common/text.hpp"
#include <detent/sdk/library.hpp>

namespace detent::validators {
namespace {

double ratio_of(const detent_run_summary& s) {
  if (s.bytes_before == s.bytes_after) return 1;
  if (s.bytes_after == 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(s.bytes_before) / static_cast<double>(s.bytes_after);
}

class Size final : public BuiltIn {
 public:
  static constexpr const char* id = "size";
  static constexpr const char* name = "Size";
  static constexpr const char* description =
      "Bytes before and after; fails when the artefact is not smaller or above a limit";
  static constexpr const char* schema = R"({
    "type": "object", "additionalProperties": false, "properties": {
      "min_ratio": {"type": "number", "exclusiveMinimum": 0, "default": 1.0,
                    "description": "least compression ratio of the tensor data; at 1 or more the artefact must be smaller"},
      "max_bytes": {"type": "integer", "minimum": 1,
                    "description": "most bytes of the artefact's files; absent: no limit"}}})";

  explicit Size(const sdk::Config& config)
      : min_ratio_(config.params.get("/min_ratio", 1.0)),
        max_bytes_(config.params.get("/max_bytes", int64_t{0})) {}

  sdk::Status check(const detent_check_input&, const sdk::Findings&, const sdk::Call&) override {
    return {};
  }

  sdk::Status finish(const detent_run_summary& s, const sdk::Findings& out) override {
    for (const sdk::Finding& finding :
         {ratio(s), bytes("bytes_before", s.bytes_before), bytes("bytes_after", s.bytes_after),
          bytes("file_bytes_before", s.file_bytes_before), file_bytes_after(s)})
      if (const sdk::Status status = out.report(finding); !status.ok()) return status;
    return {};
  }

 private:
  static sdk::Finding bytes(const char* metric, uint64_t n) {
    return {metric, static_cast<double>(n)};
  }

  sdk::Finding ratio(const detent_run_summary& s) const {
    const double ratio = ratio_of(s);
    sdk::Finding finding{"compression_ratio", ratio, DETENT_FINDING_INFO, "", min_ratio_};
    if (s.tensors == 0) return finding;
    if (s.tensors_quantized == 0) {
      finding.severity = DETENT_FINDING_WARN;
      finding.message = "no tensor was quantized; check the rules against `detent plan`";
    } else if (ratio < min_ratio_ || (min_ratio_ >= 1 && ratio <= 1)) {
      finding.severity = DETENT_FINDING_FAIL;
      finding.message =
          "the tensors take " + counted(s.bytes_after, "byte") + " after and " +
          std::to_string(s.bytes_before) + " before, a compression ratio of " + decimal(ratio) +
          (ratio <= 1 ? ": the artefact is not smaller" : ", below the min_ratio of ") +
          (ratio <= 1 ? "" : decimal(min_ratio_)) +
          "; quantize more layers, use fewer bits or a larger group_size";
    }
    return finding;
  }

  sdk::Finding file_bytes_after(const detent_run_summary& s) const {
    sdk::Finding finding = bytes("file_bytes_after", s.file_bytes_after);
    if (max_bytes_ > 0 && s.file_bytes_after > static_cast<uint64_t>(max_bytes_)) {
      finding.severity = DETENT_FINDING_FAIL;
      finding.threshold = static_cast<double>(max_bytes_);
      finding.message = "the files have " + counted(s.file_bytes_after, "byte") +
                        ", above the max_bytes of " + std::to_string(max_bytes_) +
                        "; quantize more layers or use fewer bits";
    } else if (s.bytes_after < s.bytes_before && s.file_bytes_after >= s.file_bytes_before) {
      finding.severity = DETENT_FINDING_WARN;
      finding.threshold = static_cast<double>(s.file_bytes_before);
      finding.message = "the tensors shrank, but the files have " +
                        counted(s.file_bytes_after, "byte") + " after and " +
                        std::to_string(s.file_bytes_before) +
                        " before: in a model this small the metadata outweighs the gain";
    }
    return finding;
  }

  double min_ratio_;
  int64_t max_bytes_;  // 0: no limit
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::Size);
