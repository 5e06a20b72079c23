// SPDX-License-Identifier: Apache-2.0
// ModelDigests: the digests of a model's files, from the bytes that a run reads anyway.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "model/model.hpp"

namespace detent {

// XXH3-128 of every file with tensors. Bytes that nobody reads (headers, gaps) are read here, when
// those behind them pass or at the end; a file whose parts pass in another order than that of the
// file is read again.
//
// Errors   Error{io}: those of the reading
// Threads  one at a time
class ModelDigests {
 public:
  explicit ModelDigests(const Model& model);  // model.file_bytes() is not nullptr

  // Bytes of a tensor's file from TensorInfo::offset + `from` on.
  void passed(const TensorInfo& tensor, std::uint64_t from, std::span<const std::byte> bytes);
  // By index into model.files(); of those with tensors.
  std::vector<std::string> finish();

 private:
  struct FileHash {
    Xxh3 hash;
    std::uint64_t at = 0;  // everything before it is in the hash
    bool in_order = true;
  };
  void read_up_to(std::uint32_t file, std::uint64_t end);

  const FileBytes& bytes_;
  std::vector<FileHash> files_;
  std::vector<std::byte> block_;
};

}  // namespace detent
