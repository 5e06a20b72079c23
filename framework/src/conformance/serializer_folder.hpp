// SPDX-License-Identifier: Apache-2.0
// MemoryFolder: the folder that a serializer under test writes into, or reads from. TempFolder: one
// on the disk.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi/serializer.h>
#include <filesystem>
#include <map>
#include <string>

#include "conformance/world.hpp"

namespace detent::conformance {

using Files = std::map<std::string, std::string>;  // content by name

struct FolderWishes {
  std::uint64_t step = UINT64_MAX;       // the most bytes that one pread or pwrite moves
  std::int64_t failing = INT64_MAX;      // the one pwrite, or pread, that fails; 0 is the first
  std::int32_t open_status = DETENT_OK;  // what open returns
};

class MemoryFolder {
 public:
  explicit MemoryFolder(FolderWishes wishes = {});  // to write into
  // To read from; whoever writes into it misuses it.
  explicit MemoryFolder(const Files& files, FolderWishes wishes = {});
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;

  const detent_folder* c() const { return folder_.c(); }
  Files files() const;
  std::int64_t transfers() const { return transfers_; }  // preads or pwrites so far
  const std::string& misuse() const { return misuse_; }  // what no plugin may do; or empty
  void end() { ended_ = true; }  // finish, abort or close returned: nobody uses it any more

 private:
  struct Open {
    MemoryFolder* folder;
    std::string name;
    std::string content;
    detent_file c;
  };
  Open& add(const std::string& name, std::string content);
  void note(std::string what);
  bool may_transfer(const char* what, const Open& file);
  std::int32_t open(const char* path, const detent_file** out);
  std::int64_t read(const Open& file, std::uint64_t offset, void* to, std::uint64_t n);
  std::int64_t write(Open& file, std::uint64_t offset, const void* from, std::uint64_t n);

  FolderWishes wishes_;
  bool to_read_;
  Lent<detent_folder> folder_;
  std::deque<Open> files_;  // addresses stay
  std::int64_t transfers_ = 0;
  bool ended_ = false;
  std::string misuse_;

  friend struct FolderServices;
};

// Empty at first; gone, with what is in it, at the end.
//
// Errors  Failure
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace detent::conformance
