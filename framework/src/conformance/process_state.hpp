// SPDX-License-Identifier: Apache-2.0
// ProcessState: what rule R7 tells plugins to leave alone, and what they must not leave behind.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace detent::conformance {

class ProcessState {
 public:
  static ProcessState now();
  // "locale is C.UTF-8, was C" for each thing that differs from `before`; empty when nothing does.
  // Threads are listed apart: they may be there until deinit.
  std::string changes_since(const ProcessState& before) const;
  int threads() const { return threads_; }

 private:
  std::map<std::string, std::string> facts_;
  int threads_ = 0;
};

int count_threads();
std::uint64_t resident_bytes();  // of this process, at present
std::uint64_t peak_bytes();      // the most that it ever had
std::uint64_t virtual_bytes();   // of address space, at present

}  // namespace detent::conformance
