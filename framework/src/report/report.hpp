// SPDX-License-Identifier: Apache-2.0
// Report: what was decided and done, as JSON (docs/report.md) and as tables for a terminal.
#pragma once
#include <memory>
#include <string>

#include "plan/plan.hpp"
#include "run/run.hpp"
#include "serialize/staging.hpp"

namespace detent {

inline constexpr int kReportSchemaVersion = 1;

json::Value to_json(const Where& where);  // only what is known
json::Value to_json(const Warning& warning);
json::Value to_json(const Finding& finding);

// {"tensors": [...], "totals": {...}, "peak_memory_bytes", "warnings"}
json::Value plan_to_json(const Plan& plan, const Model& model);

json::Value report_to_json(const RunFacts& facts);

// One line per layer, then the totals. Names are made printable.
std::string plan_table(const Plan& plan, const Model& model);
std::string run_table(const RunFacts& facts);

// report.json and report.html, staged beside their targets.
class ReportWriter {
 public:
  ReportWriter(const std::filesystem::path& folder, Overwrite overwrite);
  void write(const RunFacts& facts);
  void commit();
  std::filesystem::path json_path() const { return json_.target(); }

 private:
  Staging json_;
  Staging html_;
};

}  // namespace detent
