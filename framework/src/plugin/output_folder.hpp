// SPDX-License-Identifier: Apache-2.0
// OutputFolder: the detent_folder that a serializer writes into. New files below one folder, no
// others.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace detent {

// Is it a path of names separated by '/', none of them empty, "." or "..", and not too long?
bool is_safe_relative_path(std::string_view path);

// Calls   finish | discard; a folder that was not finished is discarded by the destructor
// Errors  Error{io} from the constructor and finish; the plugin gets a status, and failure() the
// reason
class OutputFolder {
 public:
  explicit OutputFolder(const std::filesystem::path& root);  // must exist
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const detent_folder* c() const { return &folder_; }
  // The first thing that went wrong in a call of the plugin, with its path; empty when nothing did.
  const std::string& failure() const { return failure_; }
  // fsync of every file and of the folders, then closes. The names, in the order of their making.
  std::vector<std::string> finish();
  void discard() noexcept;  // closes and removes the files, and the folders that were made for them

 private:
  struct OpenFile;
  static std::int32_t DETENT_CALL open(const detent_folder*, const char* relpath,
                                       const detent_file** out) noexcept;
  static std::uint64_t DETENT_CALL count(const detent_folder*) noexcept;
  static const char* DETENT_CALL name(const detent_folder*, std::uint64_t i) noexcept;
  static std::int64_t DETENT_CALL read(const detent_file*, std::uint64_t offset, void* to,
                                       std::uint64_t n) noexcept;
  static std::int64_t DETENT_CALL write(const detent_file*, std::uint64_t offset, const void* from,
                                        std::uint64_t n) noexcept;
  static std::uint64_t DETENT_CALL size(const detent_file*) noexcept;

  OpenFile& create(const std::string& relpath);
  int open_parent(const std::string& relpath);
  std::string full(const std::string& relpath) const { return (root_ / relpath).string(); }
  void note_failure(const std::string& relpath, const char* what, int error_number) noexcept;

  std::filesystem::path root_;
  int root_fd_ = -1;
  std::deque<OpenFile> files_;             // addresses stay
  std::vector<std::string> made_folders_;  // relative, outer ones first
  std::string failure_;
  detent_folder folder_{};
};

}  // namespace detent
