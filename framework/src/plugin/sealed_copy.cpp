// SPDX-License-Identifier: Apache-2.0
#include "plugin/sealed_copy.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "plugin/elf_check.hpp"
#include "plugin/sha256.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{1} << 20U;

[[noreturn]] void fail(const char* what) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", what, system_reason(errno)),
              "a pinned library is loaded from sealed memory (memfd_create)");
}

// Kept open for ever once it was loaded: the loader knows a library by its path, and a number that
// was used again would give it the old one.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& name)
      : fd_(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    if (fd_ < 0) fail("no memory file");
  }
  ~MemoryFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail("cannot write to memory");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void seal() {
    constexpr int kAll = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (::fcntl(fd_, F_ADD_SEALS, kAll) != 0) fail("cannot seal memory");
  }
  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", fd_); }
  void keep() { fd_ = -1; }

 private:
  int fd_;
};

void copy(const File& file, MemoryFile& to) {
  const std::uint64_t size = file.size();
  std::vector<std::byte> block;
  for (std::uint64_t at = 0; at < size; at += block.size()) {
    block.resize(std::min(kBlockBytes, size - at));
    file.read_at(at, block);
    to.append(block);
  }
}

}  // namespace

std::filesystem::path sealed_copy(const File& file, const std::string& sha256) {
  static std::mutex mutex;
  static auto& copies = *new std::map<std::string, std::filesystem::path>;
  const std::lock_guard lock(mutex);
  if (const auto known = copies.find(sha256); known != copies.end()) return known->second;
  MemoryFile memory(file.path().filename().string());
  copy(file, memory);
  memory.seal();
  // Of the copy: only now can nobody change what the hash is of.
  const File sealed = File::open_to_read(memory.path());
  if (sha256_of(sealed) != sha256)
    throw Error(ErrorCode::plugin, "was changed by somebody while it was being loaded");
  check_stands_alone(sealed);
  const std::filesystem::path path = memory.path();
  memory.keep();
  return copies.emplace(sha256, path).first->second;
}

}  // namespace detent
