// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

#include "isolate/link.hpp"

namespace detent::isolate {
namespace {

#ifndef MFD_NOEXEC_SEAL  // Linux 6.3
constexpr unsigned MFD_NOEXEC_SEAL = 8;
#endif

// A kernel that wants it said that nothing in the memory is a program, or one that does not know
// how to be told.
Descriptor make_memory() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = ::memfd_create("detent-plugin", kFlags | MFD_NOEXEC_SEAL);
  if (fd >= 0 || errno != EINVAL) return Descriptor(fd);
  return Descriptor(::memfd_create("detent-plugin", kFlags));
}

std::byte* map(int fd, std::uint64_t bytes, int access) {
  void* memory = ::mmap(nullptr, bytes, access, MAP_SHARED, fd, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

// Who shrinks it would end the reader, which then reads beyond the end.
bool seal(int fd, SharedMemory::Written written) {
  constexpr int kFixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const bool only_ours = written == SharedMemory::Written::by_host;
  if (only_ours && ::fcntl(fd, F_ADD_SEALS, kFixed | F_SEAL_FUTURE_WRITE) == 0) return true;
  return ::fcntl(fd, F_ADD_SEALS, kFixed) == 0;  // Linux before 5.1
}

}  // namespace

SharedMemory SharedMemory::create(std::uint64_t bytes, Written written) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) throw std::bad_alloc();
  Descriptor fd = make_memory();
  if (fd.get() < 0 || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) throw std::bad_alloc();
  // Mapped before it is sealed: what this process has mapped it may go on writing.
  std::byte* data = map(fd.get(), bytes, PROT_READ | PROT_WRITE);
  if (data == nullptr) throw std::bad_alloc();
  SharedMemory memory(std::move(fd), data, bytes);
  if (!seal(memory.descriptor().get(), written)) throw std::bad_alloc();
  return memory;
}

std::optional<SharedMemory> SharedMemory::open(const Descriptor& descriptor, Written written) {
  // Not fstat, for which the C library makes a call that could name a file: the sandbox refuses it.
  const off_t end = descriptor.get() < 0 ? -1 : ::lseek(descriptor.get(), 0, SEEK_END);
  if (end < 0) return std::nullopt;
  const auto bytes = static_cast<std::uint64_t>(end);
  const int access = written == Written::by_host ? PROT_READ : PROT_READ | PROT_WRITE;
  std::byte* data = map(descriptor.get(), bytes, access);
  if (data == nullptr) return std::nullopt;
  return SharedMemory(Descriptor(), data, bytes);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : descriptor_(std::move(other.descriptor_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace detent::isolate
