// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.hpp"
#include "cli/output.hpp"
#include "json/value.hpp"

namespace detent::cli {
namespace {

std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const auto s = static_cast<std::uint64_t>(seconds);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

ProgressBar::ProgressBar(bool wanted) : enabled_(wanted && stderr_is_rich()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(const std::string& stage, std::uint64_t done, std::uint64_t total,
                         Unit unit) {
  constexpr std::uint64_t kFewSamples = 50;
  if (!enabled_ || total == 0 || (unit == Unit::samples && total <= kFewSamples)) return;
  const auto now = std::chrono::steady_clock::now();
  if (stage != stage_) {
    stage_ = stage;
    start_ = now;
  }
  if (drawn_ && done < total && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  const std::chrono::duration<double> elapsed = now - start_;
  const std::string text =
      "\r\033[K" + progress_line(stage, done, total, unit, elapsed.count(), terminal_width());
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

std::string progress_event(const std::string& stage, const std::string& item, std::uint64_t done,
                           std::uint64_t total, Unit unit) {
  json::Object event{{"event", "progress"}, {"stage", stage}};
  if (!item.empty()) event.set("item", item);
  event.set("done", done);
  event.set("total", total);
  event.set("unit", unit == Unit::samples ? "samples" : "bytes");
  return json::dump(event) + "\n";
}

std::string progress_line(const std::string& stage, std::uint64_t done, std::uint64_t total,
                          Unit unit, double seconds, std::size_t width) {
  const double fraction = static_cast<double>(done) / static_cast<double>(total);
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-3);
  const std::string left =
      done == 0 ? "-:--" : duration(static_cast<double>(total - done) / std::max(rate, 1e-3));
  const std::string amounts =
      unit == Unit::samples ? fmt::format("{} of {} samples  {:.1f}/s", done, total, rate)
                            : fmt::format("{} of {}  {}/s", human_bytes(done), human_bytes(total),
                                          human_bytes(static_cast<std::uint64_t>(rate)));
  const std::string facts = fmt::format(" {:3.0f} %  {}  {} left", fraction * 100, amounts, left);
  const std::size_t used = stage.size() + facts.size() + 4;
  const std::size_t bar = width > used + 10 ? std::min<std::size_t>(width - used, 40) : 0;
  if (bar == 0) return (stage + facts).substr(0, width - 1);
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(bar));
  return stage + " [" + std::string(full, '#') + std::string(bar - full, '.') + "]" + facts;
}

}  // namespace detent::cli
