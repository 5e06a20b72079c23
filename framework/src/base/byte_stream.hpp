// SPDX-License-Identifier: Apache-2.0
// ByteWriter, ByteReader: numbers and texts one behind the other, for files that only this machine
// reads. What is read is hostile: every length is checked against what is there.
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace detent {

class ByteWriter {
 public:
  void number(std::uint64_t n) { bytes_.append(reinterpret_cast<const char*>(&n), sizeof n); }
  void text(std::string_view t) {
    number(t.size());
    bytes_ += t;
  }
  void append(std::string_view of_another_writer) { bytes_ += of_another_writer; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Views into the bytes, which have to outlive them.
//
// Errors  Truncated when the bytes end before what is asked for
class ByteReader {
 public:
  struct Truncated : std::runtime_error {
    Truncated() : std::runtime_error("the bytes end too early") {}
  };

  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t number() {
    std::uint64_t n = 0;
    std::memcpy(&n, take(sizeof n).data(), sizeof n);
    return n;
  }
  std::string_view text() { return take(number()); }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(std::uint64_t n) {
    if (n > rest_.size()) throw Truncated();
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return taken;
  }

  std::string_view rest_;
};

}  // namespace detent
