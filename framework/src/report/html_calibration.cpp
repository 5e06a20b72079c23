// SPDX-License-Identifier: Apache-2.0
#include "report/html_calibration.hpp"

#include <fmt/format.h>

#include "report/html_page.hpp"
#include "report/read_report.hpp"

namespace detent {
namespace {

std::string number_text(const std::optional<double>& n) {
  return n ? fmt::format("{:.4g}", *n) : "";
}

// One value, or the first of several with their number.
std::string values_at(const json::Value& activation, const char* pointer) {
  const json::Array& list = list_at(activation, pointer);
  if (list.empty()) return "";
  const std::string first = number_text(number_at(list.front(), ""));
  return list.size() == 1 ? first : fmt::format("{} and {} more", first, list.size() - 1);
}

std::string seen(const json::Value& a) {
  const auto min = number_at(a, "/min");
  const auto max = number_at(a, "/max");
  return min && max ? fmt::format("{:.4g} to {:.4g}", *min, *max) : "";
}

std::string chosen(const json::Value& a) {
  const std::string low = values_at(a, "/range_min");
  const std::string high = values_at(a, "/range_max");
  return low.empty() || high.empty() ? "" : low + " to " + high;
}

std::string clipped(const json::Value& a) {
  const auto fraction = number_at(a, "/clipped_fraction");
  return fraction ? fmt::format("{:.3g} %", 100 * *fraction) : "";
}

std::string row(const std::string& layer, const json::Value& a) {
  const json::Value* dynamic = a.at_pointer("/dynamic");
  const bool in_each_run =
      dynamic != nullptr && dynamic->if_bool() != nullptr && *dynamic->if_bool();
  const std::string how = in_each_run ? "dynamic" : text_at(a, "/observer");
  std::string html = fmt::format("<tr><td class=\"name\">{}</td>", html_escape(layer));
  for (const std::string& cell : {text_at(a, "/side"), how, text_at(a, "/dtype")})
    html += fmt::format("<td>{}</td>", html_escape(cell));
  for (const std::string& cell :
       {seen(a), chosen(a), values_at(a, "/scale"), values_at(a, "/zero_point"), clipped(a)})
    html += fmt::format("<td class=\"n\">{}</td>", html_escape(cell));
  return html + "</tr>\n";
}

std::string data_note(const json::Value& report) {
  const auto used = number_at(report, "/calibration/samples_used");
  if (!used) return "";
  return fmt::format("<p class=\"soft\">{:.0f} samples in {:.0f} batches.</p>\n", *used,
                     number_at(report, "/calibration/batches").value_or(0));
}

}  // namespace

std::string calibration_section(const json::Value& report) {
  std::string rows;
  for (const json::Value& layer : list_at(report, "/layers"))
    for (const json::Value& a : list_at(layer, "/activation"))
      rows += row(text_at(layer, "/name"), a);
  if (rows.empty()) return "";
  return "<h2>Activations</h2>\n" + data_note(report) +
         "<div class=\"wide\"><table><thead><tr><th>layer</th><th>side</th><th>observer</th>"
         "<th>codes</th><th class=\"n\">seen</th><th class=\"n\">range chosen</th>"
         "<th class=\"n\">scale</th><th class=\"n\">zero point</th><th class=\"n\">clipped</th>"
         "</tr></thead>\n<tbody>\n" +
         rows + "</tbody></table></div>\n";
}

}  // namespace detent
