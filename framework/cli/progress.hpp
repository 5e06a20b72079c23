// SPDX-License-Identifier: Apache-2.0
// ProgressBar: one line on stderr that redraws itself at most ten times a second.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace detent::cli {

enum class Unit { bytes, samples };

// The line without what clears the one before it. seconds: since the stage began.
std::string progress_line(const std::string& stage, std::uint64_t done, std::uint64_t total,
                          Unit unit, double seconds, std::size_t width);

// One JSON document on one line, for programs: {"event": "progress", "stage", "item", "done",
// "total", "unit"}; "item" is the tensor whose turn it is, and left out where there is none.
std::string progress_event(const std::string& stage, const std::string& item, std::uint64_t done,
                           std::uint64_t total, Unit unit);

class ProgressBar {
 public:
  // Silent unless stderr is a terminal that may have bars.
  explicit ProgressBar(bool wanted);
  ~ProgressBar();  // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Fifty samples or fewer are not worth a bar.
  void update(const std::string& stage, std::uint64_t done, std::uint64_t total,
              Unit unit = Unit::bytes);
  void clear();

 private:
  bool enabled_;
  bool drawn_ = false;
  std::string stage_;
  std::chrono::steady_clock::time_point start_{};  // of the stage
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace detent::cli
