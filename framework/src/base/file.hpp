// SPDX-License-Identifier: Apache-2.0
// File: a descriptor that closes itself, read and written with every result checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace detent {

// Errors  Error{io} naming the path and the system's reason, from every function
class File {
 public:
  // Regular files only: a FIFO, a device or a folder is refused without blocking.
  static File open_to_read(const std::filesystem::path& path);
  // The same, below root: neither relative nor a symbolic link on the way may lead out of it.
  static File open_beneath(const std::filesystem::path& root,
                           const std::filesystem::path& relative);
  // New or emptied, mode 0666 & ~umask.
  static File create(const std::filesystem::path& path);
  // New, of a name that nobody has, in that folder; mode 0600.
  static File create_unique(const std::filesystem::path& folder);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const;  // as it is now
  // What changes when somebody writes to the file; two that are equal mean that nobody did, within
  // the clock tick of the file system.
  struct Stamp {
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp() const;
  // Which file it is and in which state: unlike a stamp it tells two files apart, and the time of
  // the last change cannot be set back by whoever wrote to the file.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    Stamp stamp;
    std::int64_t changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  Identity identity() const;
  // Of the file that a path leads to, without opening it; none when that is no regular file.
  static std::optional<Identity> identity_of(const std::filesystem::path& path);
  // Does it belong to this user, and may nobody else write to it?
  bool is_private() const;
  // All of out, or an error that says the file is shorter than it was.
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;  // thread-safe
  std::string read_text(std::uint64_t max_bytes) const;  // all of it; refused when larger
  void write_at(std::uint64_t offset, std::span<const std::byte> data);
  void sync();
  void close();  // reports what the destructor would swallow

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::filesystem::path path_;
};

// The whole file, refused when larger than max_bytes.
std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// The system's words for errno.
std::string system_reason(int error_number);

}  // namespace detent
