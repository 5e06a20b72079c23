// SPDX-License-Identifier: Apache-2.0
// PickleBytes: the arguments of a pickle's opcodes, every one checked against the bytes that are
// there.
#pragma once
#include <cstdint>
#include <string_view>

namespace detent {

class PickleBytes {
 public:
  explicit PickleBytes(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::string_view take(std::uint64_t length);  // PickleTruncated when there are fewer
  std::uint64_t number(unsigned length);        // little-endian, without sign
  std::string_view counted(unsigned length) { return take(number(length)); }
  std::string_view line();  // up to the next '\n', without it
  std::int64_t decimal();   // a line: "12", "-3", "12L"
  double decimal_real();    // a line
  double real();            // 8 bytes, big-endian

 private:
  std::string_view bytes_;
  std::uint64_t position_ = 0;
};

// The two's complement number of up to 8 bytes, little-endian; 0 for none.
std::int64_t signed_number(std::string_view bytes);

}  // namespace detent
