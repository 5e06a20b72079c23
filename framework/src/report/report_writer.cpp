// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "base/file.hpp"
#include "report/html.hpp"
#include "report/report.hpp"

namespace detent {
namespace {

void write_text(const std::filesystem::path& path, const std::string& text) {
  File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.sync();
  file.close();
}

}  // namespace

ReportWriter::ReportWriter(const std::filesystem::path& folder, Overwrite overwrite)
    : json_(folder / "report.json", "report.json", overwrite),
      html_(folder / "report.html", "report.html", overwrite) {}

void ReportWriter::write(const RunFacts& facts) {
  const json::Value report = report_to_json(facts);
  write_text(json_.staged(), json::dump(report, 2) + "\n");
  write_text(html_.staged(), report_to_html(report));
}

void ReportWriter::commit() {
  json_.commit({json_.name()});
  html_.commit({html_.name()});
}

}  // namespace detent
