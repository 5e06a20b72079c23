// SPDX-License-Identifier: Apache-2.0
// dequantize, verify and report: what is done with a run's results.
#include <fmt/format.h>
#include <functional>

#include "artifact/plugin_model.hpp"
#include "artifact/verify.hpp"
#include "artifact/write_dequantized.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "json/parse.hpp"
#include "report/html.hpp"

namespace detent::cli {

int dequantize(const Globals& globals, const std::filesystem::path& quantized,
               const std::filesystem::path& out, bool overwrite) {
  const InstalledPlugins plugins(globals);
  ThreadPool pool;
  const Artifact artifact = open_any(quantized, std::cref(plugins), pool);
  if (!artifact.is_quantized())
    throw Error(ErrorCode::io, fmt::format("{} is not quantized: there is nothing to dequantize",
                                           quantized.string()));
  if (std::filesystem::exists(out) && std::filesystem::equivalent(quantized, out))
    throw Error(ErrorCode::config, "the output is the input", "choose another path");
  write_dequantized(artifact, out, overwrite ? Overwrite::replace : Overwrite::refuse, plugins(),
                    pool);
  if (globals.json) {
    print_json(json::Object{{"output", out.string()}, {"dequantized", artifact.records().size()}});
  } else if (!globals.quiet) {
    print_text(fmt::format("{} tensors dequantized, {} kept: {}\n", artifact.records().size(),
                           artifact.kept().size(), out.string()));
  }
  return 0;
}

int verify(const Globals& globals, const std::filesystem::path& quantized) {
  const InstalledPlugins plugins(globals);
  ThreadPool pool;
  const Artifact artifact = open_any(quantized, std::cref(plugins), pool);
  const Verification v = verify_artifact(artifact, pool);
  if (!v.problems.empty()) {
    std::vector<Problem> problems;
    for (const VerifyProblem& p : v.problems)
      problems.push_back({fmt::format("{}: \"{}\" {}", quantized.string(), p.tensor, p.message),
                          "",
                          {.file = {}, .tensor = p.tensor}});
    problems.back().hint = artifact.is_foreign() ? "quantize the original again"
                                                 : "the file was damaged or changed: make it again";
    throw Error(ErrorCode::validation, std::move(problems));
  }
  if (globals.json) {
    print_json(json::Object{{"valid", true},
                            {"tensors", v.tensors},
                            {"quantized", v.quantized},
                            {"non_finite", v.non_finite},
                            {"digests", v.digests}});
  } else if (!globals.quiet && !v.digests) {
    print_text(
        fmt::format("{}: all {} tensors agree with one another, {} of them quantized; the file has "
                    "no digests to compare their bytes with\n",
                    quantized.string(), v.tensors, v.quantized));
  } else if (!globals.quiet) {
    print_text(fmt::format(
        "{}: all {} tensors are as they were written, {} of them quantized{}\n", quantized.string(),
        v.tensors, v.quantized,
        v.non_finite == 0
            ? ""
            : fmt::format("; {} values of kept ones are NaN or infinite", v.non_finite)));
  }
  return 0;
}

int report(const Globals& globals, const std::filesystem::path& folder) {
  constexpr std::uint64_t kMaxReport = 1U << 30U;
  const auto json_path = folder / "report.json";
  json::Value facts;
  try {
    facts = json::parse(read_text_file(json_path, kMaxReport));
  } catch (const json::ParseError& e) {
    throw Error(
        ErrorCode::io, e.what(), "run the pipeline again",
        {.file = json_path.string(), .line = e.position().line, .column = e.position().column});
  }
  Staging staging(folder / "report.html", "report.html", Overwrite::replace);
  const std::string page = report_to_html(facts);
  File file = File::create(staging.staged());
  file.write_at(0, std::as_bytes(std::span(page)));
  file.sync();
  file.close();
  staging.commit({staging.name()});
  if (globals.json) {
    print_json(json::Object{{"report", staging.target().string()}});
  } else if (!globals.quiet) {
    print_text(staging.target().string() + "\n");
  }
  return 0;
}

}  // namespace detent::cli
