// SPDX-License-Identifier: Apache-2.0
// ProgressBar: one line on stderr that redraws itself at most ten times a second.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace detent::cli {

class ProgressBar {
 public:
  // Silent unless stderr is a terminal that may have bars.
  explicit ProgressBar(bool wanted);
  ~ProgressBar();  // clears the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(const std::string& stage, std::uint64_t done, std::uint64_t total);  // in bytes
  void clear();

 private:
  std::string line(const std::string& stage, std::uint64_t done, std::uint64_t total) const;

  bool enabled_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace detent::cli
