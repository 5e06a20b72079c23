// SPDX-License-Identifier: Apache-2.0
#include "plugin/output_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxPathBytes = 1024;
constexpr std::size_t kMaxFiles = 4096;
constexpr std::uint64_t kMaxTransfer = std::uint64_t{1} << 30;  // of one system call
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct SystemError {  // inside this file only
  const char* what;
  int number;
};

struct Fd {
  int fd = -1;
  explicit Fd(int f) : fd(f) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    const int kept = errno;  // of the call that the caller is about to report
    if (fd >= 0) ::close(fd);
    errno = kept;
  }
  void replace(int by) { ::close(std::exchange(fd, by)); }
  int release() { return std::exchange(fd, -1); }
};

std::int64_t offset_of(std::uint64_t offset, std::uint64_t n) {
  const auto max = static_cast<std::uint64_t>(INT64_MAX);
  if (offset > max || n > max - offset) throw SystemError{"cannot seek", EFBIG};
  return static_cast<std::int64_t>(offset);
}

}  // namespace

struct OutputFolder::OpenFile {
  OutputFolder* folder = nullptr;
  std::string name;
  int fd = -1;
  detent_file c{};
};

bool is_safe_relative_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  if (path.find('\0') != std::string_view::npos) return false;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

OutputFolder::OutputFolder(const std::filesystem::path& root) : root_(root) {
  root_fd_ = ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root_fd_ < 0) {
    throw Error(ErrorCode::io, fmt::format("cannot open the output folder {}: {}",
                                           printable(root.string()), system_reason(errno)));
  }
  folder_ = {sizeof folder_, this, open, count, name};
}

OutputFolder::~OutputFolder() { discard(); }

void OutputFolder::note_failure(const std::string& relpath, const char* what,
                                int error_number) noexcept {
  if (!failure_.empty()) return;
  try {
    failure_ =
        fmt::format("{} {}: {}", what, printable(full(relpath)), system_reason(error_number));
  } catch (...) {
    // No memory for the reason; the status says that it failed.
  }
}

// The folder that the file goes into; folders on the way are made, links are not followed.
int OutputFolder::open_parent(const std::string& relpath) {
  Fd at(::fcntl(root_fd_, F_DUPFD_CLOEXEC, 0));
  if (at.fd < 0) throw SystemError{"cannot open the folder of", errno};
  for (std::size_t slash = relpath.find('/'), begin = 0; slash != std::string::npos;
       begin = slash + 1, slash = relpath.find('/', begin)) {
    const std::string part = relpath.substr(begin, slash - begin);
    const bool made = ::mkdirat(at.fd, part.c_str(), 0777) == 0;
    if (made) made_folders_.push_back(relpath.substr(0, slash));
    const int next = made || errno == EEXIST ? ::openat(at.fd, part.c_str(), kFolderFlags) : -1;
    if (next < 0) throw SystemError{"cannot open the folder of", errno};
    at.replace(next);
  }
  return at.release();
}

OutputFolder::OpenFile& OutputFolder::create(const std::string& relpath) {
  const Fd parent(open_parent(relpath));
  const std::string last = relpath.substr(relpath.rfind('/') + 1);
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Fd fd(::openat(parent.fd, last.c_str(), kFlags, 0666));
  if (fd.fd < 0) throw SystemError{"cannot create", errno};
  OpenFile& file = files_.emplace_back();
  file.name = relpath;
  file.folder = this;
  file.fd = fd.release();
  file.c = {&file, read, write, size};
  return file;
}

std::int32_t DETENT_CALL OutputFolder::open(const detent_folder* folder, const char* relpath,
                                            const detent_file** out) noexcept {
  auto& self = *static_cast<OutputFolder*>(folder->ctx);
  if (relpath == nullptr || out == nullptr || !is_safe_relative_path(relpath)) {
    return DETENT_E_INVALID_ARG;
  }
  try {
    const std::string path(relpath);
    const auto it = std::find_if(self.files_.begin(), self.files_.end(),
                                 [&](const OpenFile& f) { return f.name == path; });
    if (it == self.files_.end() && self.files_.size() >= kMaxFiles) return DETENT_E_INVALID_ARG;
    try {
      *out = it != self.files_.end() ? &it->c : &self.create(path).c;
      return DETENT_OK;
    } catch (const SystemError& e) {
      self.note_failure(path, e.what, e.number);
      return DETENT_E_IO;
    }
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

std::uint64_t DETENT_CALL OutputFolder::count(const detent_folder* folder) noexcept {
  return static_cast<const OutputFolder*>(folder->ctx)->files_.size();
}

const char* DETENT_CALL OutputFolder::name(const detent_folder* folder, std::uint64_t i) noexcept {
  const auto& files = static_cast<const OutputFolder*>(folder->ctx)->files_;
  return i < files.size() ? files[i].name.c_str() : nullptr;
}

std::int64_t DETENT_CALL OutputFolder::read(const detent_file* c, std::uint64_t offset, void* to,
                                            std::uint64_t n) noexcept {
  const auto& file = *static_cast<const OpenFile*>(c->ctx);
  n = std::min(n, kMaxTransfer);
  try {
    if (to == nullptr && n != 0) return -1;
    const std::int64_t at = offset_of(offset, n);
    for (;;) {
      const ssize_t got = ::pread(file.fd, to, n, at);
      if (got >= 0) return got;
      if (errno != EINTR) throw SystemError{"cannot read", errno};
    }
  } catch (const SystemError& e) {
    file.folder->note_failure(file.name, e.what, e.number);
    return -1;
  }
}

// All of it, in as many calls as it takes: a plugin that ignores short counts loses nothing.
std::int64_t DETENT_CALL OutputFolder::write(const detent_file* c, std::uint64_t offset,
                                             const void* from, std::uint64_t n) noexcept {
  const auto& file = *static_cast<const OpenFile*>(c->ctx);
  try {
    if (from == nullptr && n != 0) return -1;
    const std::int64_t begin = offset_of(offset, n);
    for (std::uint64_t done = 0; done < n;) {
      const ssize_t taken =
          ::pwrite(file.fd, static_cast<const char*>(from) + done, std::min(n - done, kMaxTransfer),
                   begin + static_cast<std::int64_t>(done));
      if (taken < 0 && errno == EINTR) continue;
      if (taken <= 0) throw SystemError{"cannot write", taken < 0 ? errno : EIO};
      done += static_cast<std::uint64_t>(taken);
    }
    return static_cast<std::int64_t>(n);
  } catch (const SystemError& e) {
    file.folder->note_failure(file.name, e.what, e.number);
    return -1;
  }
}

std::uint64_t DETENT_CALL OutputFolder::size(const detent_file* c) noexcept {
  struct stat status = {};
  const int result = ::fstat(static_cast<const OpenFile*>(c->ctx)->fd, &status);
  return result == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::vector<std::string> OutputFolder::finish() {
  const auto check = [&](int result, const std::string& name, const char* what) {
    if (result == 0) return;
    throw Error(ErrorCode::io,
                fmt::format("{} {}: {}", what, printable(full(name)), system_reason(errno)));
  };
  for (OpenFile& file : files_) {
    check(::fsync(file.fd), file.name, "cannot write to the disk");
    check(::close(std::exchange(file.fd, -1)), file.name, "cannot close");
  }
  for (const std::string& folder : made_folders_) {
    const Fd fd(::openat(root_fd_, folder.c_str(), kFolderFlags));
    check(fd.fd < 0 ? -1 : 0, folder, "cannot open");
    check(::fsync(fd.fd), folder, "cannot write to the disk");
  }
  check(::fsync(root_fd_), "", "cannot write to the disk");
  std::vector<std::string> names;
  for (OpenFile& file : files_) names.push_back(std::move(file.name));
  files_.clear();
  made_folders_.clear();
  return names;
}

void OutputFolder::discard() noexcept {
  for (const OpenFile& file : files_) {
    if (file.fd >= 0) ::close(file.fd);
    ::unlinkat(root_fd_, file.name.c_str(), 0);
  }
  files_.clear();
  for (auto it = made_folders_.rbegin(); it != made_folders_.rend(); ++it) {
    ::unlinkat(root_fd_, it->c_str(), AT_REMOVEDIR);
  }
  made_folders_.clear();
  if (root_fd_ >= 0) ::close(std::exchange(root_fd_, -1));
}

}  // namespace detent
