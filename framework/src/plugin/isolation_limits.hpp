// SPDX-License-Identifier: Apache-2.0
// IsolationLimits: what a plugin may use that runs in a process of its own.
#pragma once
#include <chrono>
#include <cstdint>

namespace detent {

struct IsolationLimits {
  std::chrono::seconds timeout{600};  // of one call
  std::uint64_t memory = 0;           // bytes of the process; 0: by the data that it is shown
  bool operator==(const IsolationLimits&) const = default;
};

}  // namespace detent
