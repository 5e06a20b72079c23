// SPDX-License-Identifier: Apache-2.0
// ZipArchive: zip files as PyTorch writes them: entries one behind the other from the file's first
// byte to the directory at its end; all stored, only TorchScript's code may be compressed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"

namespace detent {

struct ZipEntry {
  std::string name;          // with the archive's folder: "model/data/0"
  std::uint64_t header = 0;  // where its local header begins
  std::uint64_t offset = 0;  // of the data in the file
  std::uint64_t size = 0;
  std::uint64_t stored = 0;  // bytes in the file: the same when it is not compressed
  bool compressed = false;
  std::uint32_t crc = 0;
};

// Stricter than zip and LibTorch: nothing but code is compressed, nothing encrypted, nothing
// between the entries, before the first and behind the directory, no two entries of one name. Local
// headers and directory say the same. So no two readers can see different contents, and all data
// lie in the file.
class ZipArchive {
 public:
  ZipArchive() = default;              // without entries
  ZipArchive(ZipArchive&&) = default;  // views into its own names: not copied
  ZipArchive& operator=(ZipArchive&&) = default;
  // Nothing is allocated before the file's own size has shown that it can be needed.
  // Errors  Error{io} with the file, the entry and its offset
  static ZipArchive read(const File& file, std::uint64_t file_size);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of the file
  const std::string& folder() const { return folder_; }  // that all entries lie in: "model"
  // By the name within the folder: "data/0".
  const ZipEntry* find(std::string_view name) const;
  std::string_view name_of(const ZipEntry& entry) const;  // within the folder

  // Reads every byte of every entry and compares its checksum. LibTorch does not.
  // Errors  Error{io}: cannot be read, or was changed since it was written
  void check_contents(const File& file) const;

 private:
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, const ZipEntry*> by_name_;  // within the folder
  std::string folder_;
};

// The data of one entry, as they were before compression.
// Errors  Error{io}: larger than max_bytes, cannot be read, compressed data that are damaged
std::string read_entry(const File& file, const ZipEntry& entry,
                       std::uint64_t max_bytes = UINT64_MAX);

}  // namespace detent
