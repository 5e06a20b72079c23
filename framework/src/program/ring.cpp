// SPDX-License-Identifier: Apache-2.0
#include "program/ring.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace detent::wire {
namespace {

#ifndef MFD_NOEXEC_SEAL  // Linux 6.3
constexpr unsigned MFD_NOEXEC_SEAL = 8;
#endif

// A kernel that wants it said that nothing in the memory is a program, or one that does not know
// how to be told.
int make_memory() {
  const int fd = ::memfd_create("detent-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return fd;
  return ::memfd_create("detent-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

std::byte* map(int fd, int access) {
  void* memory = ::mmap(nullptr, Ring::kBytes, access, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

}  // namespace

std::optional<Ring> Ring::create() {
  const int fd = make_memory();
  if (fd < 0) return std::nullopt;
  // Who shrinks it would end the reader, which then reads beyond the end.
  constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  std::byte* memory = nullptr;
  if (::ftruncate(fd, static_cast<off_t>(kBytes)) == 0 && ::fcntl(fd, F_ADD_SEALS, kFixed) == 0)
    memory = map(fd, PROT_READ);
  if (memory != nullptr) return Ring(fd, memory);
  ::close(fd);
  return std::nullopt;
}

std::optional<Ring> Ring::open(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return std::nullopt;
  const bool right = static_cast<std::uint64_t>(facts.st_size) == kBytes;
  std::byte* memory = right ? map(fd, PROT_READ | PROT_WRITE) : nullptr;
  ::close(fd);
  if (memory == nullptr) return std::nullopt;
  return Ring(-1, memory);
}

Ring::Ring(Ring&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      memory_(std::exchange(other.memory_, nullptr)),
      at_(other.at_),
      freed_(other.freed_) {}

Ring::~Ring() {
  if (memory_ != nullptr) ::munmap(memory_, kBytes);
  close_descriptor();
}

void Ring::close_descriptor() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::uint64_t Ring::piece(std::uint64_t n) const {
  return std::min(n, kPartBytes - at_ % kPartBytes);
}

void Ring::write(const void* from, std::uint64_t n) {
  std::memcpy(memory_ + at_ % kBytes, from, n);
  at_ += n;
}

bool Ring::free_part() {
  if (freed_ >= at_ / kPartBytes) return false;
  ++freed_;
  return true;
}

bool Ring::holds(const void* bytes, std::uint64_t n) const {
  if (n > kBytes || n > at_) return false;
  const std::uint64_t from = (at_ - n) % kBytes;
  const std::uint64_t first = std::min(n, kBytes - from);
  return std::memcmp(memory_ + from, bytes, first) == 0 &&
         std::memcmp(memory_, static_cast<const std::byte*>(bytes) + first, n - first) == 0;
}

bool Ring::read(void* to, std::uint64_t n) {
  std::memcpy(to, memory_ + at_ % kBytes, n);
  at_ += n;
  return at_ % kPartBytes == 0;
}

}  // namespace detent::wire
