// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string message, std::string hint = {}) {
  throw Error(ErrorCode::io, std::move(message), std::move(hint),
              {.file = printable(path.string())});
}

[[noreturn]] void fail_system(const fs::path& path, const char* what, int error_number) {
  fail(path, fmt::format("{}: {}", what, system_reason(error_number)));
}

// A call that a signal may cut short, until it is done. A cancelled run ends where it looks at the
// flag, not in the middle of a file.
template <typename Call>
auto retried(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// O_NONBLOCK: a FIFO without a writer would block here for ever. It does nothing to regular files.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

const char* kind_of(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return "a folder";
  if (S_ISFIFO(status.st_mode)) return "a FIFO";
  if (S_ISSOCK(status.st_mode)) return "a socket";
  return "a device";
}

// Why opening to read failed, or what was opened instead of a regular file.
void check_opened(int fd, int error_number, const fs::path& path) {
  if (fd < 0) {
    if (error_number == ENXIO) fail(path, "is a socket or device, not a regular file");
    fail_system(path, "cannot open", error_number);
  }
  struct stat status = {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return;
  ::close(fd);
  fail(path, fmt::format("is {}, not a regular file", kind_of(status)));
}

// With no openat2 (before Linux 5.6, or a sandbox that forbids it): the canonical path must lie
// below the canonical root. Unlike openat2 this can race with somebody who swaps links meanwhile.
int open_checked_path(const fs::path& root, const fs::path& path) {
  std::error_code ec;
  const fs::path top = fs::canonical(root, ec);
  if (ec) return errno = ec.value(), -1;
  const fs::path target = fs::canonical(path, ec);
  if (ec) return errno = ec.value(), -1;
  const fs::path inside = target.lexically_relative(top);
  if (inside.empty() || *inside.begin() == "..") return errno = EXDEV, -1;
  return retried([&] { return ::open(target.c_str(), kReadFlags | O_NOFOLLOW); });
}

int open_beneath_root(const fs::path& root, const fs::path& relative) {
  const int top = retried([&] { return ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); });
  if (top < 0) return -1;
  struct open_how how = {};
  how.flags = kReadFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: somebody renamed a folder, anywhere on the machine, while ".." was being resolved.
  int fd = -1;
  for (int attempt = 0; attempt < 100; ++attempt) {
    fd = static_cast<int>(::syscall(SYS_openat2, top, relative.c_str(), &how, sizeof how));
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  const int error_number = errno;
  ::close(top);
  if (fd < 0 && (error_number == ENOSYS || error_number == EPERM))
    return open_checked_path(root, root / relative);
  errno = error_number;
  return fd;
}

struct stat status_of(int fd, const fs::path& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail_system(path, "cannot ask for the size", errno);
  return status;
}

// Some file systems hold years that 64 bits of nanoseconds do not: those wrap around.
std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
                                   static_cast<std::uint64_t>(time.tv_nsec));
}

File::Identity to_identity(const struct stat& status) {
  return {status.st_dev,
          status.st_ino,
          {static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim)},
          nanoseconds(status.st_ctim)};
}

off_t to_offset(std::uint64_t offset, std::size_t length, const fs::path& path) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > kMax || length > kMax - offset) fail(path, "offset beyond what a file can have");
  return static_cast<off_t>(offset);
}

}  // namespace

File File::open_to_read(const fs::path& path) {
  const int fd = retried([&] { return ::open(path.c_str(), kReadFlags); });
  check_opened(fd, errno, path);
  return File(fd, path);
}

File File::open_beneath(const fs::path& root, const fs::path& relative) {
  const fs::path path = root / relative;
  const int fd = open_beneath_root(root, relative);
  const int error_number = errno;
  if (fd < 0 && error_number == EXDEV)
    fail(path, fmt::format("leads out of the folder {}", printable(root.string())),
         "copy the file into the folder instead of linking it");
  check_opened(fd, error_number, path);
  return File(fd, path);
}

File File::create(const fs::path& path) {
  const int fd = retried([&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
  });
  if (fd < 0) fail_system(path, "cannot create", errno);
  return File(fd, path);
}

File File::create_unique(const fs::path& folder) {
  std::string name = (folder / ".detent-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail_system(folder, "cannot create a file in it", errno);
  return File(fd, name);
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

std::uint64_t File::size() const { return stamp().size; }

void File::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  off_t at = to_offset(offset, out.size(), path_);
  while (!out.empty()) {
    const ssize_t got = retried([&] { return ::pread(fd_, out.data(), out.size(), at); });
    if (got < 0) fail_system(path_, "cannot read", errno);
    if (got == 0)
      fail(path_,
           fmt::format("ends at byte {} where {} more were expected",
                       grouped(static_cast<std::uint64_t>(at)), grouped(out.size())),
           "the file is truncated, or another program is changing it");
    at += got;
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void File::write_at(std::uint64_t offset, std::span<const std::byte> data) {
  off_t at = to_offset(offset, data.size(), path_);
  while (!data.empty()) {
    const ssize_t put = retried([&] { return ::pwrite(fd_, data.data(), data.size(), at); });
    if (put < 0) fail_system(path_, "cannot write", errno);
    if (put == 0) fail(path_, "cannot write: the system takes no more bytes");
    at += put;
    data = data.subspan(static_cast<std::size_t>(put));
  }
}

void File::sync() {
  if (retried([&] { return ::fsync(fd_); }) != 0) fail_system(path_, "cannot flush to disk", errno);
}

void File::close() {
  // Not retried: on Linux the descriptor is gone whatever close says.
  if (fd_ >= 0 && ::close(std::exchange(fd_, -1)) != 0 && errno != EINTR)
    fail_system(path_, "cannot close", errno);
}

File::Stamp File::stamp() const { return identity().stamp; }

File::Identity File::identity() const { return to_identity(status_of(fd_, path_)); }

std::optional<File::Identity> File::identity_of(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return to_identity(status);
}

bool File::is_private() const {
  const struct stat status = status_of(fd_, path_);
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string read_text_file(const fs::path& path, std::uint64_t max_bytes) {
  return File::open_to_read(path).read_text(max_bytes);
}

std::string File::read_text(std::uint64_t max_bytes) const {
  const std::uint64_t length = size();
  if (length > max_bytes)
    fail(path_, fmt::format("is {} bytes long; at most {} are read as text", grouped(length),
                            grouped(max_bytes)));
  std::string text(length, '\0');
  read_at(0, std::as_writable_bytes(std::span(text)));
  return text;
}

std::string system_reason(int error_number) {
  return std::generic_category().message(error_number);
}

}  // namespace detent
