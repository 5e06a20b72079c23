// SPDX-License-Identifier: Apache-2.0
// Guarded: memory between two pages that nobody may touch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace detent::conformance {

// Where in its pages the memory lies: a read or write past that end crashes at once, one past the
// other end is seen when the canaries there are looked at.
enum class Flush { to_end, to_begin };

// Errors  std::bad_alloc
class Guarded {
 public:
  // skew: bytes between the memory and the guard page, to make it unaligned.
  explicit Guarded(std::uint64_t size, Flush flush = Flush::to_end, std::uint64_t skew = 0);
  ~Guarded();
  Guarded(Guarded&& other) noexcept;
  Guarded& operator=(Guarded&&) = delete;

  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }
  void make_read_only();
  void make_writable();
  void forbid();  // whoever touches it from now on crashes
  bool canaries_intact() const;

 private:
  std::byte* pages_ = nullptr;  // with the guards
  std::uint64_t pages_size_ = 0;
  std::byte* data_ = nullptr;
  std::uint64_t size_ = 0;
};

}  // namespace detent::conformance
