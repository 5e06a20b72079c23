// SPDX-License-Identifier: Apache-2.0
// ValidatorUnderTest: one instance, driven through its C table. Findings: what it reported.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "conformance/subject.hpp"
#include "conformance/validator_exhibit.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

struct Reported {
  std::string target;
  std::string metric;
  double value;
  double threshold;
  std::int32_t severity;
  std::string message;

  std::string text() const;  // "FAIL sqnr_db = 3 of \"a\": ..."; equal texts are equal findings
};
using Findings = std::vector<Reported>;

bool alarms(const Findings& findings);  // is one of them a warning or a failure?
std::string text_of(const Findings& findings);

struct ValidatorWishes {
  std::int64_t failing = INT64_MAX;  // the report that the sink refuses; 0 is the first
  std::int32_t status = DETENT_E_NO_MEMORY;
  // The tensor is told in blocks of so many rows. Of DETENT_PLUGIN_ROWWISE only.
  std::uint64_t rows = UINT64_MAX;
  bool may_starve = false;  // calls may return DETENT_E_NO_MEMORY or DETENT_E_CANCELLED
};

class ValidatorUnderTest {
 public:
  // Errors  Failure when create refuses
  ValidatorUnderTest(Subject& subject, World& world, ValidatorWishes wishes = {});
  ~ValidatorUnderTest();
  ValidatorUnderTest(const ValidatorUnderTest&) = delete;
  ValidatorUnderTest& operator=(const ValidatorUnderTest&) = delete;

  // Each fails when the plugin returns anything but DETENT_OK, or the sink's own status. What it
  // lends is gone afterwards. Nothing is done where the plugin has no such function.
  Findings check(const Exhibit& exhibit);
  Findings check_output(const detent_output_input& output);
  Findings finish(const detent_run_summary& summary);
  // A whole run.
  Findings run(std::span<const Exhibit> exhibits, const detent_output_input& output);
  Findings run(std::span<const Exhibit> exhibits, const detent_output_input& output,
               const detent_run_summary& summary);

  bool made() const { return handle_ != nullptr; }  // not when there was no memory
  bool starved() const { return starved_; }
  std::int64_t reports() const { return reports_; }
  // What is wrong in the form of what was reported; or empty.
  const std::string& misuse() const { return misuse_; }

 private:
  struct Needs {
    bool original;
    bool dequantized;
    bool stored;
  };
  using Call = std::function<std::int32_t(const detent_call*, const detent_finding_sink*)>;
  Findings collect(const char* name, const Call& f);
  std::int32_t report(Findings& into, const detent_finding* f);
  void check_block(const Exhibit& e, std::uint64_t first, std::uint64_t count, Findings& into);

  World& world_;
  ValidatorWishes wishes_;
  const detent_validator_vtbl& vtbl_;
  Needs needs_;
  bool rowwise_;
  detent_validator* handle_ = nullptr;
  std::int64_t reports_ = 0;
  std::string misuse_;
  bool starved_ = false;

  friend struct FindingServices;
};

}  // namespace detent::conformance
