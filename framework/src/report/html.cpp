// SPDX-License-Identifier: Apache-2.0
#include "report/html.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <vector>

#include "report/html_calibration.hpp"
#include "report/html_page.hpp"
#include "report/read_report.hpp"

namespace detent {
namespace {

const char* quality(const std::optional<double>& db) {
  if (!db) return "";
  return *db < 10 ? "poor" : *db < 20 ? "fair" : "good";
}

std::string tile(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"tile\"><b>{}</b>{}</div>\n", html_escape(value),
                     html_escape(label));
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "";
}

// What became of the model's own output, where it ran.
std::string output_tiles(const json::Value& report) {
  const auto before = number_at(report, "/evaluation/accuracy_before");
  const auto after = number_at(report, "/evaluation/accuracy_after");
  const auto db = number_at(report, "/evaluation/output_sqnr_db");
  const auto mean = number_at(report, "/evaluation/cosine_mean");
  const auto least = number_at(report, "/evaluation/cosine_min");
  const auto agreement = number_at(report, "/evaluation/top1_agreement");
  std::string html;
  if (before && after)
    html += tile(percent(before) + " \xE2\x86\x92 " + percent(after), "accuracy");
  if (db) html += tile(db_text(db) + (std::isinf(*db) ? "" : " dB"), "SQNR of the output");
  if (mean && least)
    html += tile(fmt::format("{:.5f}", *mean),
                 fmt::format("mean cosine of the output, {:.5f} at least", *least));
  if (agreement) html += tile(percent(agreement), "same top class as before");
  return html;
}

// Where the numbers of the output come from.
std::string output_note(const json::Value& report) {
  const auto samples = number_at(report, "/evaluation/samples");
  if (!samples || *samples == 0) return "";
  const bool simulated = text_at(report, "/evaluation/subject") == "simulated";
  return fmt::format(
      "<p class=\"soft\">Output measured on {:.0f} samples by {}, model isolation {}: {}.</p>\n",
      *samples, html_escape(text_at(report, "/evaluation/runtime")),
      html_escape(text_at(report, "/evaluation/isolation")),
      simulated ? "the original program with the quantized numbers in it" : "the artefact itself");
}

std::string tiles(const json::Value& report) {
  const auto ratio = number_at(report, "/totals/ratio");
  const std::size_t selected = list_at(report, "/selected").size();
  const std::size_t skipped = list_at(report, "/skipped").size();
  const json::Value* passed = report.at_pointer("/validation/passed");
  const bool valid = passed != nullptr && passed->if_bool() != nullptr && *passed->if_bool();
  const bool judged = !list_at(report, "/validation/validators").empty();
  return "<div class=\"tiles\">\n" + output_tiles(report) +
         tile(fmt::format("{} \xE2\x86\x92 {}", bytes_at(report, "/totals/bytes_before"),
                          bytes_at(report, "/totals/bytes_after")),
              "tensor data") +
         tile(ratio ? fmt::format("{:.2f}x", *ratio) : "", "smaller") +
         tile(db_text(number_at(report, "/totals/sqnr_db_mean")) + " dB",
              "mean SQNR of the weights") +
         tile(db_text(number_at(report, "/totals/sqnr_db_min")) + " dB", "lowest SQNR") +
         tile(fmt::format("{} of {}", selected, selected + skipped), "layers quantized") +
         tile(!judged ? "not asked for"
              : valid ? "passed"
                      : "failed",
              "validation") +
         "</div>\n" + output_note(report);
}

// The quantized layers' SQNR as bars, worst first, with the gates at 10 and 20 dB.
std::string sqnr_chart(const json::Value& report) {
  struct Bar {
    std::string name;
    double db;
  };
  std::vector<Bar> bars;
  for (const json::Value& layer : list_at(report, "/layers"))
    if (const auto db = number_at(layer, "/sqnr_db"); db && std::isfinite(*db))
      bars.push_back({text_at(layer, "/name"), *db});
  if (bars.empty()) return "";
  std::stable_sort(bars.begin(), bars.end(),
                   [](const Bar& a, const Bar& b) { return a.db < b.db; });
  constexpr std::size_t kMost = 60;
  const std::size_t shown = std::min(bars.size(), kMost);
  const double widest = std::max(60.0, bars.back().db);
  const auto x = [&](double db) { return 330 + std::max(0.0, db) / widest * 590; };
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 1000 {}\" role=\"img\" aria-label=\"SQNR of each "
      "quantized layer, worst first\">\n",
      24 + 18 * shown);
  for (const double gate : {10.0, 20.0, 40.0})
    svg += fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"0\" y2=\"{}\"/><text "
        "x=\"{:.1f}\" y=\"{}\">{:.0f} dB</text>\n",
        gate < 30 ? "gate" : "axis", x(gate), x(gate), 6 + 18 * shown, x(gate) - 14,
        20 + 18 * shown, gate);
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string& name = bars[i].name;
    const std::string label = name.size() > 44 ? "..." + name.substr(name.size() - 41) : name;
    svg += fmt::format(
        "<g><title>{}: {:.2f} dB</title><text x=\"320\" y=\"{}\" text-anchor=\"end\">{}</text>"
        "<rect class=\"bar\" x=\"330\" y=\"{}\" height=\"13\" width=\"{:.1f}\" rx=\"2\"/>"
        "<text x=\"{:.1f}\" y=\"{}\">{:.1f}</text></g>\n",
        html_escape(name), bars[i].db, 13 + 18 * i, html_escape(label), 2 + 18 * i,
        x(bars[i].db) - 330, x(bars[i].db) + 6, 13 + 18 * i, bars[i].db);
  }
  svg += "</svg>\n";
  if (bars.size() > shown)
    svg += fmt::format("<p class=\"soft\">The {} worst of {} layers; the table has all.</p>\n",
                       shown, bars.size());
  return "<h2>Error of the weights, worst layer first</h2>\n" + svg;
}

// "+1.25": against plain rounding.
std::string gain_text(const std::optional<double>& gain) {
  if (!gain) return "";
  // No "-0.00": it is as good as rounding.
  return fmt::format("{:+.2f}", std::fabs(*gain) < 0.005 ? 0.0 : *gain);
}

// With what it is where errors count as much as the inputs they meet, when that is known.
std::string gain_cell(const json::Value& layer) {
  const std::string gain = gain_text(number_at(layer, "/gain_db"));
  const auto weighted = number_at(layer, "/weighted_gain_db");
  if (!weighted) return gain;
  return gain + "<br><span class=\"soft\" title=\"weighted by the inputs\">" + gain_text(weighted) +
         "&nbsp;weighted</span>";
}

std::string layer_row(const json::Value& layer) {
  const auto db = number_at(layer, "/sqnr_db");
  const auto output_db = number_at(layer, "/output_sqnr_db");
  const auto cosine = number_at(layer, "/cosine");
  const auto mse = number_at(layer, "/mse");
  const auto error = number_at(layer, "/max_abs_error");
  const auto bits = number_at(layer, "/bits");
  const bool quantized = text_at(layer, "/action") == "quantize";
  const std::string observer = text_at(layer, "/observer");
  std::string what = quantized ? text_at(layer, "/quantizer") : "kept";
  if (!observer.empty()) what += " < " + observer;
  return fmt::format(
      "<tr class=\"{}\"><td class=\"name\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td>"
      "<td class=\"n {}\">{}</td><td class=\"n\">{}</td><td class=\"n {}\">{}</td>"
      "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
      "class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
      quantized ? "quantized" : "kept", html_escape(text_at(layer, "/name")),
      html_escape(text_at(layer, "/type")), html_escape(what),
      bits ? fmt::format("{:.0f}", *bits) : "", quality(db), db_text(db), gain_cell(layer),
      quality(output_db), db_text(output_db), mse ? fmt::format("{:.3g}", *mse) : "",
      cosine ? fmt::format("{:.5f}", *cosine) : "", error ? fmt::format("{:.3g}", *error) : "",
      bytes_at(layer, "/bytes_before"), bytes_at(layer, "/bytes_after"),
      html_escape(text_at(layer, "/reason")));
}

constexpr std::string_view kFilter = R"js(<script>
const box = document.getElementById("filter");
box.addEventListener("input", () => {
  const wanted = box.value.toLowerCase();
  for (const row of document.querySelectorAll("#layers tbody tr"))
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
</script>
)js";

std::string layer_table(const json::Value& report) {
  std::string rows;
  for (const json::Value& layer : list_at(report, "/layers")) rows += layer_row(layer);
  return "<h2>Layers</h2>\n<input id=\"filter\" type=\"search\" placeholder=\"filter by name, "
         "type, "
         "plugin, reason\" aria-label=\"filter the layers\">\n<div class=\"wide\"><table "
         "id=\"layers\"><thead><tr>"
         "<th>layer</th><th>type</th><th>what was done</th><th class=\"n\">bits</th><th "
         "class=\"n\">SQNR dB</th><th class=\"n\" title=\"over plain rounding to nearest\">gain "
         "dB</th>"
         "<th class=\"n\">output SQNR dB</th><th class=\"n\">MSE</th><th class=\"n\">cosine</th>"
         "<th class=\"n\">max error</th><th class=\"n\">before</th><th "
         "class=\"n\">after</th><th>why</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody></table></div>\n" + std::string(kFilter);
}

std::vector<std::string> finding_rows(const json::Value& report) {
  std::vector<std::string> rows;
  for (const json::Value& f : list_at(report, "/validation/findings")) {
    if (text_at(f, "/severity") != "fail") continue;  // the others are warnings, or in the table
    rows.push_back(fmt::format(
        "<tr><td class=\"poor\">failed</td><td><code>{}</code></td><td>{} {}</td></tr>\n",
        html_escape(text_at(f, "/validator")), html_escape(text_at(f, "/tensor")),
        html_escape(text_at(f, "/message"))));
  }
  for (const json::Value& w : list_at(report, "/warnings"))
    rows.push_back(
        fmt::format("<tr><td class=\"fair\">warning</td><td><code>{}</code></td><td>{}</td></tr>\n",
                    html_escape(text_at(w, "/code")), html_escape(text_at(w, "/message"))));
  for (const json::Value& n : list_at(report, "/notes"))
    rows.push_back(
        fmt::format("<tr><td class=\"soft\">note</td><td><code>{}</code></td><td>{}</td></tr>\n",
                    html_escape(text_at(n, "/code")), html_escape(text_at(n, "/message"))));
  return rows;
}

std::string findings(const json::Value& report) {
  constexpr std::size_t kOpen = 8;
  const std::vector<std::string> rows = finding_rows(report);
  if (rows.empty()) return "<h2>Warnings</h2>\n<p class=\"soft\">None.</p>\n";
  std::string html = "<h2>Warnings</h2>\n<div class=\"wide\"><table>";
  for (std::size_t i = 0; i < std::min(kOpen, rows.size()); ++i) html += rows[i];
  html += "</table></div>\n";
  if (rows.size() <= kOpen) return html;
  html += fmt::format("<details><summary>and {} more</summary><div class=\"wide\"><table>",
                      rows.size() - kOpen);
  for (std::size_t i = kOpen; i < rows.size(); ++i) html += rows[i];
  return html + "</table></div></details>\n";
}

std::string speed_of(const json::Value& timing) {
  const std::optional<double> gb_per_s = number_at(timing, "/gb_per_s");
  return gb_per_s ? fmt::format(", {:.2f} GB/s", *gb_per_s) : "";
}

std::string provenance(const json::Value& report) {
  std::string rows;
  const auto row = [&rows](const std::string& what, const std::string& value,
                           const std::string& digest) {
    rows += fmt::format("<tr><td>{}</td><td class=\"name\">{}</td><td><code>{}</code></td></tr>\n",
                        html_escape(what), html_escape(value), html_escape(digest));
  };
  for (const json::Value& i : list_at(report, "/provenance/inputs"))
    row("input", text_at(i, "/path"), text_at(i, "/digest"));
  for (const json::Value& o : list_at(report, "/outputs"))
    row("output, " + bytes_at(o, "/bytes"), text_at(o, "/path"), text_at(o, "/digest"));
  for (const json::Value& p : list_at(report, "/provenance/plugins"))
    row(text_at(p, "/kind"), text_at(p, "/id") + " " + text_at(p, "/version"),
        "sha256:" + text_at(p, "/sha256") + ", isolation " + text_at(p, "/isolation"));
  for (const json::Value& t : list_at(report, "/timings"))
    row("time", text_at(t, "/stage"),
        fmt::format("{:.3f} s", number_at(t, "/seconds").value_or(0)) + speed_of(t));
  row("memory", "peak", bytes_at(report, "/peak_memory_bytes"));
  return "<h2>Provenance</h2>\n<div class=\"wide\"><table>" + rows + "</table></div>\n";
}

}  // namespace

std::string report_to_html(const json::Value& report) {
  const std::string version = text_at(report, "/provenance/detent");
  std::string body = "<h1>Quantization report</h1>\n";
  body += fmt::format("<p class=\"soft\">detent {}, status {}, plugin isolation {}</p>\n",
                      html_escape(version), html_escape(text_at(report, "/status")),
                      html_escape(text_at(report, "/provenance/isolation")));
  body += tiles(report) + sqnr_chart(report) + findings(report) + layer_table(report) +
          calibration_section(report) + provenance(report);
  if (const json::Value* config = report.at_pointer("/config/value"))
    body += "<h2>Effective configuration</h2>\n<pre>" + html_escape_lines(json::dump(*config, 2)) +
            "</pre>\n";
  return html_page("Quantization report", body);
}

}  // namespace detent
