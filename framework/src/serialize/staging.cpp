// SPDX-License-Identifier: Apache-2.0
#include "serialize/staging.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace detent {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const std::string& what, const fs::path& path, int error,
                       std::string hint = {}) {
  throw Error(ErrorCode::io,
              fmt::format("cannot {} {}: {}", what, path.string(), system_reason(error)),
              std::move(hint), {.file = path.string()});
}

// Makes the folder and its parents; the list of those that were new.
std::vector<fs::path> make_folders(const fs::path& folder) {
  std::vector<fs::path> missing;
  for (fs::path p = folder; !p.empty() && !fs::exists(p); p = p.parent_path()) {
    missing.push_back(p);
    if (p == p.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  for (std::size_t i = 0; i < missing.size(); ++i) {
    std::error_code ec;
    fs::create_directory(missing[i], ec);
    if (ec) {
      while (i-- > 0) fs::remove(missing[i], ec);
      fail("make the folder", missing[0], errno);
    }
  }
  return missing;
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("open the folder", folder, errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some file systems cannot sync a folder, and say so.
  if (result != 0 && error != EINVAL && error != EROFS) fail("sync the folder", folder, error);
}

// Moves; without replacing, another process that made the target meanwhile wins.
void move_into_place(const fs::path& from, const fs::path& to, Overwrite overwrite) {
  if (overwrite == Overwrite::replace) {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("write", to, errno);
    return;
  }
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  const bool unsupported = errno == EINVAL || errno == ENOSYS;
  if (!unsupported) fail("write", to, errno, "give --overwrite to replace it");
  if (::link(from.c_str(), to.c_str()) != 0)
    fail("write", to, errno, "give --overwrite to replace it");
  ::unlink(from.c_str());
}

}  // namespace

Staging::Staging(const fs::path& target, const std::string& default_name, Overwrite overwrite)
    : overwrite_(overwrite) {
  const bool is_folder = target.filename().empty() || fs::is_directory(target);
  parent_ = is_folder ? target : target.parent_path();
  if (is_folder && parent_.filename().empty()) parent_ = parent_.parent_path();
  if (parent_.empty()) parent_ = ".";
  name_ = is_folder ? default_name : target.filename().string();
  if (overwrite == Overwrite::refuse && fs::exists(fs::symlink_status(this->target())))
    throw Error(ErrorCode::io, fmt::format("{} exists already", this->target().string()),
                "give --overwrite to replace it, or choose another path",
                {.file = this->target().string()});
  made_ = make_folders(parent_);
  std::string pattern = (parent_ / fmt::format(".{}.staging-XXXXXX", name_)).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    const int error = errno;
    std::error_code ignored;
    for (auto it = made_.rbegin(); it != made_.rend(); ++it) fs::remove(*it, ignored);
    fail("write to the folder", parent_, error, "choose a folder that can be written");
  }
  folder_ = pattern;
}

Staging::~Staging() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
  // Only those that are still empty go.
  for (auto it = made_.rbegin(); it != made_.rend(); ++it) fs::remove(*it, ignored);
}

void Staging::commit(const std::vector<std::string>& files) {
  std::vector<std::string> order = files;
  std::stable_partition(order.begin(), order.end(),
                        [&](const std::string& f) { return f != name_; });
  for (const std::string& file : order) {
    const fs::path to = parent_ / file;
    if (to.parent_path() != parent_) fs::create_directories(to.parent_path());
    move_into_place(folder_ / file, to, overwrite_);
  }
  sync_folder(parent_);
}

}  // namespace detent
