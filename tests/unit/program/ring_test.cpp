// SPDX-License-Identifier: Apache-2.0
#include "program/ring.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <numeric>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "support/catch.hpp"

using detent::wire::Ring;

namespace {

struct Pair {
  Ring reader = *Ring::create();
  Ring writer = *Ring::open(::dup(reader.descriptor()));
};

std::vector<std::byte> bytes(std::size_t n, unsigned seed) {
  std::vector<std::byte> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<std::byte>((i * 31 + seed) >> 3U);
  return values;
}

// Writes and reads a piece; true when it ended a part.
bool pass(Pair& pair, std::uint64_t n, unsigned seed) {
  const auto sent = bytes(n, seed);
  std::vector<std::byte> found(n);
  pair.writer.write(sent.data(), n);
  const bool ended = pair.reader.read(found.data(), n);
  CHECK(found == sent);
  return ended;
}

}  // namespace

TEST_CASE("What is written comes out, round after round, and each part's end is told") {
  Pair pair;
  std::uint64_t passed = 0;
  for (unsigned i = 0; passed < 3 * Ring::kBytes; ++i) {
    const std::uint64_t n = pair.writer.piece(300'000 + i * 1000);
    REQUIRE(n == pair.reader.piece(300'000 + i * 1000));
    REQUIRE(pair.writer.has_room());
    const bool ended = pass(pair, n, i);
    passed += n;
    CHECK(ended == (passed % Ring::kPartBytes == 0));
    if (ended) CHECK(pair.writer.free_part());
  }
}

TEST_CASE("A piece ends where its part ends") {
  Pair pair;
  CHECK(pair.writer.piece(5 * Ring::kBytes) == Ring::kPartBytes);
  pass(pair, 1000, 1);
  CHECK(pair.writer.piece(5 * Ring::kBytes) == Ring::kPartBytes - 1000);
  CHECK(pair.writer.piece(7) == 7);
}

TEST_CASE("The writer waits for the reader once it has written everything, and no part sooner") {
  Pair pair;
  const auto part = bytes(Ring::kPartBytes, 3);
  for (std::uint64_t i = 0; i < Ring::kParts; ++i) {
    REQUIRE(pair.writer.has_room());
    pair.writer.write(part.data(), part.size());
  }
  CHECK_FALSE(pair.writer.has_room());
  CHECK(pair.writer.free_part());
  CHECK(pair.writer.has_room());
  pair.writer.write(part.data(), part.size());
  CHECK_FALSE(pair.writer.has_room());
}

TEST_CASE("A part that was not written cannot have been read") {
  Pair pair;
  CHECK_FALSE(pair.writer.free_part());
  const auto part = bytes(Ring::kPartBytes, 3);
  pair.writer.write(part.data(), part.size() - 1);
  CHECK_FALSE(pair.writer.free_part());
  pair.writer.write(part.data(), 1);
  CHECK(pair.writer.free_part());
  CHECK_FALSE(pair.writer.free_part());
}

TEST_CASE("The bytes that were written last are told from others, also around the end") {
  Pair pair;
  const auto first = bytes(1000, 1);
  const auto second = bytes(1000, 2);
  CHECK_FALSE(pair.writer.holds(first.data(), first.size()));  // nothing was written
  pair.writer.write(first.data(), first.size());
  CHECK(pair.writer.holds(first.data(), first.size()));
  pair.writer.write(second.data(), second.size());
  CHECK(pair.writer.holds(second.data(), second.size()));
  CHECK_FALSE(pair.writer.holds(first.data(), first.size()));

  const auto fill = bytes(Ring::kPartBytes, 4);
  for (std::uint64_t left = Ring::kBytes - 2000; left > 500;) {
    const std::uint64_t n = pair.writer.piece(left - 500);
    pair.writer.write(fill.data(), n);
    left -= n;
  }
  pair.writer.write(first.data(), 500);  // up to the end
  pair.writer.write(first.data() + 500, 500);
  CHECK(pair.writer.holds(first.data(), first.size()));
  auto other = first;
  other[999] ^= std::byte{1};
  CHECK_FALSE(pair.writer.holds(other.data(), other.size()));
  other = first;
  other[0] ^= std::byte{1};
  CHECK_FALSE(pair.writer.holds(other.data(), other.size()));
  CHECK_FALSE(pair.writer.holds(fill.data(), Ring::kBytes + 1));
}

TEST_CASE("Whoever has the memory can neither cut it short nor let it grow, nor change that") {
  const Ring ring = *Ring::create();
  const int fd = ring.descriptor();
  struct stat facts {};
  REQUIRE(::fstat(fd, &facts) == 0);
  CHECK(static_cast<std::uint64_t>(facts.st_size) == Ring::kBytes);
  for (const auto size : {std::uint64_t{0}, Ring::kBytes - 1, Ring::kBytes + 1}) {
    CHECK(::ftruncate(fd, static_cast<off_t>(size)) != 0);
    CHECK(errno == EPERM);
  }
  CHECK(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("A descriptor of something else is no ring, and none is left open") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[1]);
  CHECK_FALSE(Ring::open(ends[0]));
  CHECK_FALSE(Ring::open(-1));
  const int file = ::memfd_create("small", 0);
  CHECK_FALSE(Ring::open(file));
  for (const int fd : {ends[0], file}) ::close(fd);
  int ring_fd = -1;
  {
    Ring reader = *Ring::create();
    ring_fd = reader.descriptor();
    const Ring moved = std::move(reader);
    CHECK(moved.descriptor() == ring_fd);
  }
  CHECK(::fcntl(ring_fd, F_GETFD) < 0);
}
