// SPDX-License-Identifier: Apache-2.0
#include "base/memory.hpp"

#include <fstream>
#include <string>

namespace detent {

std::uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != "VmHWM:") continue;
    std::uint64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

}  // namespace detent
