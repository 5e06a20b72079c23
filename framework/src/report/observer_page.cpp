// SPDX-License-Identifier: Apache-2.0
#include "report/observer_page.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <span>

#include "base/file.hpp"
#include "report/html_page.hpp"

namespace detent {
namespace {

constexpr double kWidth = 1000;
constexpr double kHeight = 220;
constexpr std::size_t kColumns = 250;  // more could not be told apart

double entry(const json::Object& facts, const std::string& pointer) {
  double n = 0;
  const json::Value all(facts);
  if (const json::Value* v = all.at_pointer(pointer)) v->to_double(&n);
  return n;
}

struct Axis {
  double low;
  double high;
  double x(double v) const { return (v - low) / (high - low) * kWidth; }
};

std::string shade(const Axis& axis, double lo, double hi) {
  const double left = std::clamp(axis.x(lo), 0.0, kWidth);
  const double right = std::clamp(axis.x(hi), 0.0, kWidth);
  return fmt::format(
      "<rect class=\"range\" x=\"{0:.1f}\" y=\"0\" width=\"{1:.1f}\" height=\"{2}\"/>"
      "<line class=\"edge\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{2}\"/>"
      "<line class=\"edge\" x1=\"{3:.1f}\" x2=\"{3:.1f}\" y1=\"0\" y2=\"{2}\"/>\n",
      left, right - left, kHeight, right);
}

// Counts on a logarithmic scale: the tails decide, and on a linear one they cannot be seen.
std::string bars(std::span<const double> counts, double origin, double width, const Axis& axis) {
  std::vector<double> columns(std::min(kColumns, counts.size()), 0);
  for (std::size_t i = 0; i < counts.size(); ++i)
    columns[i * columns.size() / counts.size()] += counts[i];
  const double tallest = std::log1p(*std::max_element(columns.begin(), columns.end()));
  const double per_column =
      width * static_cast<double>(counts.size()) / static_cast<double>(columns.size());
  std::string svg;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] == 0) continue;
    const double from = origin + per_column * static_cast<double>(c);
    const double height = std::log1p(columns[c]) / tallest * (kHeight - 10);
    svg += fmt::format(
        "<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
        "height=\"{:.1f}\"><title>{:.6g} to {:.6g}: {:.0f}</title></rect>\n",
        axis.x(from), kHeight - height,
        std::max(0.5, axis.x(from + per_column) - axis.x(from) - 0.3), height, from,
        from + per_column, columns[c]);
  }
  return svg;
}

std::string channel(const json::Object& facts, std::size_t c, std::span<const double> counts,
                    double origin, double width) {
  const double lo = entry(facts, fmt::format("/range/{}/0", c));
  const double hi = entry(facts, fmt::format("/range/{}/1", c));
  const double min = entry(facts, fmt::format("/min/{}", c));
  const double max = entry(facts, fmt::format("/max/{}", c));
  const double low = std::min(lo, min);
  const double high = std::max(hi, max);
  const Axis axis{low, high > low ? high : low + 1};
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"histogram and "
      "chosen range of channel {}\">\n",
      kWidth, kHeight + 20, c);
  svg += shade(axis, lo, hi);
  if (!counts.empty()) svg += bars(counts, origin, width, axis);
  svg += fmt::format(
      "<line class=\"axis\" x1=\"0\" x2=\"{0}\" y1=\"{1}\" y2=\"{1}\"/><text x=\"0\" "
      "y=\"{2}\">{3:.6g}</text><text x=\"{0}\" y=\"{2}\" "
      "text-anchor=\"end\">{4:.6g}</text></svg>\n",
      kWidth, kHeight, kHeight + 15, axis.low, axis.high);
  return fmt::format(
      "<h2>{}</h2>\n<p class=\"soft\">observed {:.6g} to {:.6g}; chosen {:.6g} to {:.6g}; "
      "scale {:.6g}, zero point {:.0f}</p>\n{}",
      c == 0 ? "Range" : fmt::format("Channel {}", c), min, max, lo, hi,
      entry(facts, fmt::format("/scale/{}", c)), entry(facts, fmt::format("/zero_point/{}", c)),
      svg);
}

}  // namespace

std::string observer_to_html(const std::string& id, const json::Object& facts,
                             const std::vector<double>& counts, const std::vector<double>& origin,
                             const std::vector<double>& width) {
  constexpr std::size_t kMostChannels = 16;
  const json::Value* scale = facts.find("scale");
  const std::size_t channels =
      scale != nullptr && scale->if_array() ? scale->if_array()->size() : 0;
  const bool has_histogram = origin.size() == channels && width.size() == channels &&
                             channels > 0 && counts.size() % channels == 0;
  const std::size_t bins = has_histogram ? counts.size() / channels : 0;
  std::string body = fmt::format(
      "<h1>{}</h1>\n<p class=\"soft\">{:.0f} values observed, {:.0f} not "
      "finite. Shaded: the range that the codes cover; bars: how many values "
      "(logarithmic).</p>\n",
      html_escape(id), entry(facts, "/observed"), entry(facts, "/non_finite"));
  for (std::size_t c = 0; c < std::min(channels, kMostChannels); ++c)
    body += channel(
        facts, c,
        has_histogram ? std::span(counts).subspan(c * bins, bins) : std::span<const double>{},
        has_histogram ? origin[c] : 0, has_histogram ? width[c] : 0);
  if (channels > kMostChannels)
    body += fmt::format("<p class=\"soft\">The first {} of {} channels.</p>\n", kMostChannels,
                        channels);
  return html_page("Observer " + id, body);
}

void write_observer_page(const std::filesystem::path& path, const std::string& id,
                         const json::Object& facts, const std::vector<double>& counts,
                         const std::vector<double>& origin, const std::vector<double>& width) {
  const std::string page = observer_to_html(id, facts, counts, origin, width);
  File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(page)));
  file.close();
}

}  // namespace detent
