// SPDX-License-Identifier: Apache-2.0
#include "file_tail.hpp"

#include <algorithm>
#include <string>

namespace detent::serializers {
namespace {
constexpr uint64_t kWrite = uint64_t{8} << 20;  // one pwrite: the host can stop between two
}  // namespace

void FileTail::piece(const char* bytes, uint64_t n) {
  for (uint64_t done = 0; done < n;) {
    const uint64_t step = std::min(n - done, kWrite);
    if (!file_.write(offset_, bytes + done, step))
      throw sdk::Error(DETENT_E_IO, "the output file took no more bytes at offset " +
                                        std::to_string(offset_) + "\nis the disk full?");
    done += step;
    offset_ += step;
  }
}

}  // namespace detent::serializers
