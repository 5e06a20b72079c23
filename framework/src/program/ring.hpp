// SPDX-License-Identifier: Apache-2.0
// Ring: memory that the host shares with the process that runs a model, through which the data of
// large messages go from there to here: two copies, no call of the system, and the model goes on
// while the host is busy with what it computed before.
//
// Trust   The host makes the memory, fixes its size for good, and only reads it. Where a piece lies
//         follows from those before it: nothing in the memory, and no offset, is believed. A piece
//         is copied out before anything looks at it, since the other side may write at any time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

namespace detent::wire {

// A stream of bytes through memory of a fixed size, in parts that are written one after the other,
// and again when the reader has read them to their end. A piece does not reach beyond a part.
class Ring {
 public:
  static constexpr std::uint64_t kParts = 4;
  static constexpr std::uint64_t kPartBytes = std::uint64_t{2} << 20U;
  static constexpr std::uint64_t kBytes = kParts * kPartBytes;

  // The reader's. nullopt where the system has no memory that can be shared so.
  static std::optional<Ring> create();
  // The writer's, of the descriptor that it was given; closes it. nullopt when there is none.
  static std::optional<Ring> open(int fd);
  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&&) = delete;
  ~Ring();

  int descriptor() const { return fd_; }  // of the reader, to give to the writer
  void close_descriptor();

  // Of n bytes that are left, how many the next piece may have.
  std::uint64_t piece(std::uint64_t n) const;
  // Writer: has the part been read to its end that the next piece goes into?
  bool has_room() const { return at_ / kPartBytes < freed_ + kParts; }
  void write(const void* from, std::uint64_t n);  // n <= piece(n), has_room()
  // One more part was read to its end. False when so many were not written.
  bool free_part();
  // Are these the n bytes that were written last?
  bool holds(const void* bytes, std::uint64_t n) const;
  // Reader: true when a part is read to its end; n <= piece(n).
  bool read(void* to, std::uint64_t n);

 private:
  Ring(int fd, std::byte* memory) : fd_(fd), memory_(memory) {}

  int fd_;
  std::byte* memory_;
  std::uint64_t at_ = 0;     // bytes that went through
  std::uint64_t freed_ = 0;  // parts that were read to their end, as far as the writer knows
};

}  // namespace detent::wire
