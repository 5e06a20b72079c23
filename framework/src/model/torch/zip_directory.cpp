// SPDX-License-Identifier: Apache-2.0
// Source  https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 and 4.5
#include "model/torch/zip_directory.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <utility>

#include "base/text.hpp"
#include "model/refuse.hpp"

namespace detent {
namespace {

constexpr std::string_view kEndMagic = "PK\x05\x06";
constexpr std::string_view kEnd64Magic = "PK\x06\x06";
constexpr std::string_view kLocatorMagic = "PK\x06\x07";
constexpr std::string_view kEntryMagic = "PK\x01\x02";
constexpr std::uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20, kEntryBytes = 46;
constexpr unsigned kDeflate = 8;
constexpr std::uint16_t kAbsent16 = 0xFFFF;       // the number is in the 64-bit record
constexpr std::uint32_t kAbsent32 = 0xFFFF'FFFF;  // likewise
constexpr const char* kAgain = "copy or download the file again";

std::string read_bytes(const File& file, std::uint64_t offset, std::uint64_t length) {
  std::string bytes(length, '\0');
  file.read_at(offset, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

struct End {  // of central directory
  std::uint64_t entries = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  std::uint64_t position = 0;  // of the first record behind the directory
};

// The 64-bit numbers, where there are some; both records must say the same.
void read_end64(const File& file, std::string_view end, std::uint64_t end_at, End* result) {
  const std::string path = file.path().string();
  if (end_at < kEnd64Bytes + kLocatorBytes) return;
  const std::uint64_t at = end_at - kLocatorBytes - kEnd64Bytes;
  const std::string bytes = read_bytes(file, at, kEnd64Bytes + kLocatorBytes);
  const std::string_view locator = std::string_view(bytes).substr(kEnd64Bytes);
  if (!locator.starts_with(kLocatorMagic)) return;
  if (!bytes.starts_with(kEnd64Magic) || zip_u64(locator, 8) != at || zip_u64(bytes, 4) != 44 ||
      zip_u32(locator, 4) != 0 || zip_u32(locator, 16) > 1 || zip_u32(bytes, 16) != 0 ||
      zip_u32(bytes, 20) != 0)
    refuse(path, fmt::format("the 64-bit end of the zip directory at byte {} is damaged", at),
           kAgain);
  const End wide = {zip_u64(bytes, 32), zip_u64(bytes, 40), zip_u64(bytes, 48), at};
  const std::uint16_t entries = zip_u16(end, 10);
  const std::uint32_t size = zip_u32(end, 12), offset = zip_u32(end, 16);
  if (zip_u64(bytes, 24) != wide.entries || (entries != kAbsent16 && entries != wide.entries) ||
      (size != kAbsent32 && size != wide.size) || (offset != kAbsent32 && offset != wide.offset))
    refuse(path,
           fmt::format("the two ends of the zip directory (bytes {} and {}) disagree", at, end_at));
  *result = wide;
}

End read_end(const File& file, std::uint64_t file_size) {
  const std::string path = file.path().string();
  if (file_size < kEndBytes)
    refuse(path, fmt::format("is {} bytes long: too short for a zip archive", file_size), kAgain);
  const std::uint64_t at = file_size - kEndBytes;
  const std::string bytes = read_bytes(file, at, kEndBytes);
  if (!bytes.starts_with(kEndMagic))
    refuse(path,
           fmt::format("is a zip archive without a directory at its end (byte {}): truncated, or "
                       "followed by something else",
                       grouped(at)),
           kAgain);
  if (zip_u16(bytes, 4) != 0 || zip_u16(bytes, 6) != 0 || zip_u16(bytes, 8) != zip_u16(bytes, 10))
    refuse(path, "is one part of a zip archive in several parts");
  if (zip_u16(bytes, 20) != 0) refuse(path, "is a zip archive with a comment; PyTorch writes none");
  End end = {zip_u16(bytes, 10), zip_u32(bytes, 12), zip_u32(bytes, 16), at};
  read_end64(file, bytes, at, &end);
  return end;
}

void check_end(const End& end, const std::string& path) {
  std::uint64_t behind = 0;
  if (__builtin_add_overflow(end.offset, end.size, &behind) || behind != end.position)
    refuse(path,
           fmt::format("the zip directory is given as {} bytes from byte {} on, and does not end "
                       "at byte {}: damaged, or something was put before or behind it",
                       grouped(end.size), grouped(end.offset), grouped(end.position)),
           kAgain);
  if (end.size > kMaxZipDirectoryBytes || end.entries > kMaxZipEntries)
    refuse(path, fmt::format("lists {} zip entries in {} bytes; at most {} in {} are read",
                             grouped(end.entries), grouped(end.size), grouped(kMaxZipEntries),
                             grouped(kMaxZipDirectoryBytes)));
  if (end.entries > end.size / kEntryBytes)
    refuse(path, fmt::format("lists {} zip entries in a directory of {} bytes",
                             grouped(end.entries), grouped(end.size)));
}

// One entry of the directory on its way in.
class EntryReader {
 public:
  EntryReader(std::string_view bytes, std::uint64_t at, const std::string& path)
      : bytes_(bytes), at_(at), path_(path) {}

  // Returns its length in the directory.
  std::uint64_t read(ZipEntry* entry) {
    if (bytes_.size() < kEntryBytes || !bytes_.starts_with(kEntryMagic))
      refuse(path_, fmt::format("the zip directory is damaged at byte {}", at_), kAgain);
    const std::uint64_t name = zip_u16(bytes_, 28), extra = zip_u16(bytes_, 30);
    const std::uint64_t length = kEntryBytes + name + extra + zip_u16(bytes_, 32);
    if (length > bytes_.size())
      refuse(path_, fmt::format("the zip directory is damaged at byte {}", at_), kAgain);
    entry->name = bytes_.substr(kEntryBytes, name);
    check_kind(entry);
    entry->crc = zip_u32(bytes_, 16);
    entry->size = zip_u32(bytes_, 24);
    entry->stored = zip_u32(bytes_, 20);
    entry->header = zip_u32(bytes_, 42);
    read_wide(bytes_.substr(kEntryBytes + name, extra), entry);
    check_sizes(*entry);
    return length;
  }

 private:
  [[noreturn]] void fail(const ZipEntry& entry, const std::string& message,
                         std::string hint = {}) const {
    refuse(path_, fmt::format("zip entry {} (byte {}): {}", shown(entry.name), at_, message),
           std::move(hint));
  }

  void check_kind(ZipEntry* entry) const {
    const std::string_view fault = zip_name_fault(entry->name);
    if (!fault.empty()) fail(*entry, fmt::format("the name {}", fault));
    constexpr unsigned kEncrypted = 1U | 1U << 6 | 1U << 13;
    // How hard it was compressed; sizes behind the data; name in UTF-8.
    constexpr unsigned kAllowed = 3U << 1 | 1U << 3 | 1U << 11;
    const unsigned flags = zip_u16(bytes_, 8), method = zip_u16(bytes_, 10);
    if ((flags & kEncrypted) != 0) fail(*entry, "is encrypted");
    entry->compressed = method == kDeflate;
    if (method != 0 && (method != kDeflate || !may_be_compressed(entry->name)))
      fail(*entry,
           fmt::format("is compressed (method {}), which PyTorch does to code alone", method),
           "load the model and save it again with torch.save or torch.jit.save");
    if ((flags & ~kAllowed) != 0) fail(*entry, fmt::format("has unknown flags {:#x}", flags));
    if (zip_u16(bytes_, 34) != 0) fail(*entry, "lies in another part of the archive");
  }

  // "model/code/__torch__.py"
  static bool may_be_compressed(std::string_view name) {
    return name.substr(std::min(name.find('/'), name.size())).starts_with("/code/");
  }

  void check_sizes(const ZipEntry& entry) const {
    constexpr std::uint64_t kBestDeflate = 1032;  // a match of 258 bytes in 2 bits
    if (!entry.compressed && entry.stored != entry.size)
      fail(entry, fmt::format("is stored, yet takes {} bytes for its {}", grouped(entry.stored),
                              grouped(entry.size)));
    if (entry.compressed && entry.size / kBestDeflate > entry.stored)
      fail(entry, fmt::format("{} compressed bytes cannot be the {} that are claimed",
                              grouped(entry.stored), grouped(entry.size)));
  }

  // Field 1 of the extra fields: 64-bit numbers for those that are 0xFFFFFFFF, in this order.
  void read_wide(std::string_view extra, ZipEntry* entry) const {
    while (extra.size() >= 4) {
      const std::uint16_t id = zip_u16(extra, 0), size = zip_u16(extra, 2);
      if (size > extra.size() - 4) fail(*entry, "its extra fields are damaged");
      std::string_view field = extra.substr(4, size);
      extra.remove_prefix(4U + size);
      if (id != 1) continue;
      for (std::uint64_t* number : {&entry->size, &entry->stored, &entry->header}) {
        if (*number != kAbsent32) continue;
        if (field.size() < 8) fail(*entry, "its 64-bit sizes are damaged");
        *number = zip_u64(field, 0);
        field.remove_prefix(8);
      }
      return;
    }
  }

  std::string_view bytes_;
  std::uint64_t at_;
  const std::string& path_;
};

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t length) {
  std::uint64_t value = 0;
  for (std::size_t i = length; i > 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

}  // namespace

std::uint16_t zip_u16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(little_endian(bytes, at, 2));
}
std::uint32_t zip_u32(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint32_t>(little_endian(bytes, at, 4));
}
std::uint64_t zip_u64(std::string_view bytes, std::size_t at) {
  return little_endian(bytes, at, 8);
}

std::string_view zip_name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > 4096) return "is longer than 4096 bytes";
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control) return "holds a control character";
  if (name.find('\\') != name.npos) return "holds a backslash";
  while (!name.empty()) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty()) return "has an empty part";
    if (part == "." || part == "..") return "leads to another folder";
    if (slash == name.npos) return {};
    name.remove_prefix(slash + 1);
  }
  return "is that of a folder";
}

ZipDirectory read_zip_directory(const File& file, std::uint64_t file_size) {
  const std::string path = file.path().string();
  const End end = read_end(file, file_size);
  check_end(end, path);
  const std::string bytes = read_bytes(file, end.offset, end.size);
  ZipDirectory directory;
  directory.offset = end.offset;
  std::uint64_t at = 0, inflated = 0;
  for (std::uint64_t i = 0; i < end.entries; ++i) {
    ZipEntry entry;
    at += EntryReader(std::string_view(bytes).substr(at), end.offset + at, path).read(&entry);
    if (entry.compressed && __builtin_add_overflow(inflated, entry.size, &inflated))
      inflated = UINT64_MAX;
    if (inflated > kMaxInflatedBytes)
      refuse(path, fmt::format("zip entry {} (byte {}): {} bytes of code and more; at most {} are "
                               "read",
                               shown(entry.name), end.offset + at, grouped(inflated),
                               grouped(kMaxInflatedBytes)));
    directory.entries.push_back(std::move(entry));
  }
  if (at != bytes.size())
    refuse(path, fmt::format("{} bytes of the zip directory, from byte {} on, belong to no entry",
                             bytes.size() - at, end.offset + at));
  return directory;
}

}  // namespace detent
