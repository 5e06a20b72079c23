// SPDX-License-Identifier: Apache-2.0
// testing::Folder: files in memory for serializers.
#pragma once
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../error.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace testing {

class Folder {
 public:
  Folder() {
    folder_ = {sizeof folder_, this,
               [](const detent_folder* f, const char* path, const detent_file** out) -> int32_t {
                 *out = &self(f).open(path).c;
                 return DETENT_OK;
               },
               [](const detent_folder* f) -> uint64_t { return self(f).files_.size(); },
               [](const detent_folder* f, uint64_t i) -> const char* {
                 auto it = self(f).files_.begin();
                 std::advance(it, i);
                 return it->first.c_str();
               }};
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  operator const detent_folder*() const noexcept { return &folder_; }

  // Empty when there is no such file.
  std::string content(const std::string& path) const {
    const auto it = files_.find(path);
    return it != files_.end() ? it->second->bytes : std::string();
  }

  uint64_t step = UINT64_MAX;  // most bytes that one pwrite takes: short counts are allowed
  uint64_t room = UINT64_MAX;  // a pwrite beyond this offset fails, as on a full disk

 private:
  struct File {
    detent_file c{};
    Folder* folder = nullptr;
    std::string bytes;
  };
  static Folder& self(const detent_folder* f) { return *static_cast<Folder*>(f->ctx); }
  static File& self(const detent_file* f) { return *static_cast<File*>(f->ctx); }

  File& open(const std::string& path) {
    std::unique_ptr<File>& file = files_[path];
    if (file == nullptr) {
      file = std::make_unique<File>();
      file->folder = this;
      file->c = {file.get(), &pread, &pwrite,
                 [](const detent_file* f) -> uint64_t { return self(f).bytes.size(); }};
    }
    return *file;
  }
  static int64_t pread(const detent_file* f, uint64_t offset, void* out, uint64_t n) {
    const std::string& bytes = self(f).bytes;
    if (offset >= bytes.size()) return 0;
    const uint64_t got = std::min({n, self(f).folder->step, bytes.size() - offset});
    std::memcpy(out, bytes.data() + offset, got);
    return static_cast<int64_t>(got);
  }
  static int64_t pwrite(const detent_file* f, uint64_t offset, const void* data, uint64_t n) {
    std::string& bytes = self(f).bytes;
    const uint64_t taken = std::min(n, self(f).folder->step);
    if (offset + taken > self(f).folder->room) return -1;
    if (bytes.size() < offset + taken) bytes.resize(offset + taken, '\xAA');  // holes show
    std::memcpy(bytes.data() + offset, data, taken);
    return static_cast<int64_t>(taken);
  }

  std::map<std::string, std::unique_ptr<File>> files_;
  detent_folder folder_{};
};

}  // namespace testing
}  // namespace DETENT_HIDDEN
}  // namespace detent
