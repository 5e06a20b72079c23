// SPDX-License-Identifier: Apache-2.0
// File, Folder: what a serializer writes into and reads from. The host opened them, and moves what
// was written into place.
#pragma once
#include "../c/files.h"
#include "tensor_view.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// A file that the host opened inside the output or input folder.
class File {
 public:
  explicit File(const detent_file* file = nullptr) noexcept : file_(file) {}
  // False when the host could not write all of it.
  bool write(uint64_t offset, const void* data, uint64_t n) const noexcept {
    return detent_file_write(file_, offset, data, n) != 0;
  }
  // The elements of a tensor of any strides, compact and in row-major order.
  bool write(uint64_t offset, const TensorView& tensor) const noexcept {
    return detent_file_write_tensor(file_, offset, &tensor.raw()) != 0;
  }
  // False when the file ends before, or could not be read.
  bool read(uint64_t offset, void* data, uint64_t n) const noexcept {
    return detent_file_read(file_, offset, data, n) != 0;
  }
  uint64_t size() const noexcept { return file_->size(file_); }
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
