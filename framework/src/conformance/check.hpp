// SPDX-License-Identifier: Apache-2.0
// check_plugin_file: every rule of the ABI that can be tested, against one library.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "conformance/case.hpp"
#include "json/value.hpp"

namespace detent::conformance {

struct CheckOptions {
  std::string id;                            // of the one plugin to test; empty: all of the file
  std::string only;                          // glob on the names of cases; empty: all
  std::uint64_t seed = 1;                    // of the random data
  json::Object params;                       // of every plugin that is tested
  std::chrono::milliseconds timeout{30000};  // of one case
  bool in_process = false;                   // for a debugger: a crash is the end
};

enum class Outcome { pass, fail, skip, crash, timeout };
const char* to_string(Outcome outcome);

struct CaseResult {
  const Case* test = nullptr;
  Outcome outcome = Outcome::pass;
  std::string message;  // why not; or what is worth knowing
  std::string hint;     // what to do
  double milliseconds = 0;
};

// Of one plugin, or of the library (empty id).
struct SubjectResults {
  std::string id;
  std::string kind;  // "library", "observer", ...
  std::vector<CaseResult> cases;
};

struct Totals {
  int passed = 0;
  int failed = 0;  // crashes and missed deadlines count
  int skipped = 0;
};

struct CheckReport {
  std::filesystem::path file;
  std::string sha256;
  std::vector<SubjectResults> subjects;  // the library first
  Totals totals() const;
};

// Every case of every kind.
std::vector<const Case*> all_cases();

// Loads the library in child processes only, one for each case: this process needs no trust in it
// and has no other thread. `done` is told of each result as it comes.
//
// Errors  Error{io} when the file cannot be read; Error{config} when there is no plugin `id` or no
//         case that `only` matches
CheckReport check_plugin_file(
    const std::filesystem::path& file, const CheckOptions& options,
    const std::function<void(const SubjectResults&, const CaseResult&)>& done = {});

}  // namespace detent::conformance
