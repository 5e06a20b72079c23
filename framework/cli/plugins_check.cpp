// SPDX-License-Identifier: Apache-2.0
// plugins check: the rules of the ABI against one library, for those who write plugins.
#include <fmt/format.h>
#include <span>

#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/try_target.hpp"
#include "conformance/check.hpp"
#include "conformance/output.hpp"

namespace detent::cli {
namespace {

using conformance::CaseResult;
using conformance::CheckReport;
using conformance::SubjectResults;

conformance::CheckOptions checked(const CheckPluginOptions& given) {
  conformance::CheckOptions options;
  options.id = given.id;
  options.only = given.only;
  options.seed = given.seed;
  options.in_process = given.in_process;
  if (given.timeout_s <= 0) throw Error(ErrorCode::config, "--timeout must be more than 0 seconds");
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(given.timeout_s * 1000));
  const json::Value params = parse_option("--params", given.params);
  if (params.if_object() == nullptr)
    throw Error(ErrorCode::config, "--params is " + std::string(params.kind()) + ", not an object");
  options.params = *params.if_object();
  return options;
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(text)));
}

}  // namespace

int plugins_check(const Globals& globals, const CheckPluginOptions& given) {
  if (given.list) {
    if (globals.json)
      print_json(conformance::list_cases_json());
    else
      print_text(conformance::list_cases());
    return 0;
  }
  if (given.file.empty())
    throw Error(ErrorCode::config, "which library? detent plugins check FILE",
                "the cases are listed by --list");
  const conformance::CheckOptions options = checked(given);
  const auto show = [&](const SubjectResults& subject, const CaseResult& result) {
    const bool good = result.outcome == conformance::Outcome::pass ||
                      result.outcome == conformance::Outcome::skip;
    if (!globals.json && (!good || globals.verbose))
      print_text(conformance::to_text(subject, result));
  };
  const CheckReport report = conformance::check_plugin_file(given.file, options, show);
  if (globals.json)
    print_json(conformance::to_json(report));
  else if (!globals.quiet)
    print_text(conformance::closing_line(report) + "\n");
  if (!given.junit.empty()) write_file(given.junit, conformance::to_junit(report));
  return report.totals().failed == 0 ? 0 : static_cast<int>(ErrorCode::plugin);
}

}  // namespace detent::cli
