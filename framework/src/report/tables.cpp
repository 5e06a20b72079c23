// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "report/evaluation_json.hpp"
#include "report/layer_rows.hpp"
#include "report/report.hpp"

namespace detent {
namespace {

using Row = std::vector<std::string>;

// Columns as wide as their widest cell; those in `right` are aligned to the right.
std::string layout(const std::vector<Row>& rows, const std::vector<bool>& right) {
  std::vector<std::size_t> widths(right.size(), 0);
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c > 0) line += "  ";
      line += right[c] ? fmt::format("{:>{}}", row[c], widths[c])
                       : fmt::format("{:<{}}", row[c], widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string shortened(const std::string& text, std::size_t most) {
  const std::string safe = printable(text);
  return safe.size() <= most ? safe : "..." + safe.substr(safe.size() - most + 3);
}

std::string what(const LayerRow& row) {
  if (!row.quantized) return "kept";
  return row.observer.empty() ? row.quantizer : row.quantizer + " < " + row.observer;
}

std::string decibels(const std::optional<double>& db) {
  if (!db) return "";
  return std::isinf(*db) ? "exact" : fmt::format("{:.2f}", *db);
}

std::string ratio_of(std::uint64_t before, std::uint64_t after) {
  return after == 0
             ? ""
             : fmt::format("{:.2f}x", static_cast<double>(before) / static_cast<double>(after));
}

// What is collected while the model runs, beside what the table says of activations.
std::string statistics_lines(const Plan& plan) {
  std::string text;
  for (const StatisticPlan& s : plan.statistics)
    text += fmt::format("\n{} of the inputs of {}, by {}, for {}", s.statistic, printable(s.site),
                        s.provider->plugin->id, fmt::join(s.wanted_by, ", "));
  return text.empty() ? "" : text + '\n';
}

}  // namespace

std::string plan_table(const Plan& plan, const Model& model) {
  const bool activations = !plan.activations.empty();
  const auto cells = [&](Row row, const std::string& of_activations) {
    if (activations) row.insert(row.begin() + 3, of_activations);
    return row;
  };
  std::vector<Row> rows{
      cells({"layer", "type", "what", "bits", "bytes", "after", "why"}, "activations")};
  for (const LayerRow& r : layer_rows(plan, model, {}))
    rows.push_back(
        cells({shortened(r.name, 48), r.type, what(r), fmt::format("{}", r.bits),
               human_bytes(r.bytes_before), human_bytes(r.bytes_after), shortened(r.reason, 60)},
              r.activations));
  std::vector<bool> right{false, false, false, true, true, true, false};
  if (activations) right.insert(right.begin() + 3, false);
  std::string shared;
  for (const auto& [alias, name] : model.aliases())
    shared += fmt::format("\n{} is {}: stored once", printable(alias), printable(name));
  if (!shared.empty()) shared += '\n';
  return layout(rows, right) + shared + statistics_lines(plan) +
         fmt::format("\ntotal {} -> {} ({}), peak memory at most {}\n",
                     human_bytes(plan.bytes_before), human_bytes(plan.bytes_after),
                     ratio_of(plan.bytes_before, plan.bytes_after),
                     human_bytes(plan.peak_memory_bytes));
}

std::string run_table(const RunFacts& facts) {
  std::vector<Row> rows{{"layer", "type", "what", "bits", "SQNR dB", "bytes", "after"}};
  for (const LayerRow& r : layer_rows(facts.plan, *facts.model, facts.results))
    rows.push_back({shortened(r.name, 48), r.type, what(r), fmt::format("{}", r.bits),
                    decibels(r.sqnr_db), human_bytes(r.bytes_before), human_bytes(r.bytes_after)});
  std::string text = layout(rows, {false, false, false, true, true, true, true});
  text += fmt::format("\ntotal   {} -> {} ({})\n", human_bytes(facts.plan.bytes_before),
                      human_bytes(facts.plan.bytes_after),
                      ratio_of(facts.plan.bytes_before, facts.plan.bytes_after));
  text += evaluation_lines(facts.evaluation);
  for (const OutputFacts& o : facts.outputs)
    text += fmt::format("output  {} ({})\n", o.path.string(), human_bytes(o.bytes));
  return text;
}

}  // namespace detent
