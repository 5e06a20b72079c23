// SPDX-License-Identifier: Apache-2.0
// The directory at the end of a zip file: what it says of the entries, before the entries
// themselves were looked at.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "model/torch/zip_archive.hpp"

namespace detent {

inline constexpr std::uint64_t kMaxZipEntries = 500'000;
inline constexpr std::uint64_t kMaxZipDirectoryBytes = 256'000'000;
inline constexpr std::uint64_t kMaxInflatedBytes = 256'000'000;  // of all compressed entries

struct ZipDirectory {
  std::uint64_t offset = 0;       // where it begins, and the entries end
  std::vector<ZipEntry> entries;  // in its own order; ZipEntry::offset is not known yet
};

// Errors  Error{io}
ZipDirectory read_zip_directory(const File& file, std::uint64_t file_size);

// Why an entry may not have this name; empty when it may.
std::string_view zip_name_fault(std::string_view name);

// Numbers of zip files are little-endian. The caller has checked that they lie in bytes.
std::uint16_t zip_u16(std::string_view bytes, std::size_t at);
std::uint32_t zip_u32(std::string_view bytes, std::size_t at);
std::uint64_t zip_u64(std::string_view bytes, std::size_t at);

}  // namespace detent
