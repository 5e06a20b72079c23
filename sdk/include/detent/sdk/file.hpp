// SPDX-License-Identifier: Apache-2.0
// File, Folder: what a serializer writes into. The host opened them, and moves them into place.
#pragma once
#include "tensor_view.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// A file that the host opened inside the output folder.
class File {
 public:
  explicit File(const detent_file* file = nullptr) noexcept : file_(file) {}
  // False when the host could not write all of it.
  bool write(uint64_t offset, const void* data, uint64_t n) const noexcept {
    const char* p = static_cast<const char*>(data);
    while (n != 0) {
      const int64_t taken = file_->pwrite(file_, offset, p, n);
      if (taken <= 0 || static_cast<uint64_t>(taken) > n) return false;
      p += taken;
      offset += static_cast<uint64_t>(taken);
      n -= static_cast<uint64_t>(taken);
    }
    return true;
  }
  const detent_file* raw() const noexcept { return file_; }

 private:
  const detent_file* file_;
};

class Folder {
 public:
  explicit Folder(const detent_folder* folder) noexcept : folder_(folder) {}
  Status open(const char* relative_path, File& out) const noexcept {
    const detent_file* file = nullptr;
    const int32_t status = folder_->open(folder_, relative_path, &file);
    if (status == DETENT_OK) out = File(file);
    return Status(status);
  }

 private:
  const detent_folder* folder_;
};

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
