// SPDX-License-Identifier: Apache-2.0
// FpMode: the rounding mode and the treatment of denormals of this thread, guarded against plugins.
#pragma once
#include <cstdint>

namespace detent {

// A library linked with -ffast-math sets flush-to-zero for the thread that loads it, and thereby
// changes the results of everything else that runs there.
class FpMode {
 public:
  FpMode() : saved_(read()) {}
  // True when nobody changed it since; otherwise puts it back.
  bool restore() const;

 private:
  static std::uint64_t read();  // control bits only: the sticky ones change with every operation
  std::uint64_t saved_;
};

}  // namespace detent
