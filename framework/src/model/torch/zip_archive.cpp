// SPDX-License-Identifier: Apache-2.0
#include "model/torch/zip_archive.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <utility>

#include "base/text.hpp"
#include "base/zip_codec.hpp"
#include "model/refuse.hpp"
#include "model/torch/zip_directory.hpp"

namespace detent {
namespace {

constexpr std::string_view kLocalMagic = "PK\x03\x04";
constexpr std::string_view kDescriptorMagic = "PK\x07\x08";
constexpr std::uint64_t kLocalBytes = 30;
constexpr std::size_t kBlockBytes = 1 << 20;

// One entry where it lies in the file: local header, data, and perhaps a descriptor.
class EntryCheck {
 public:
  EntryCheck(const File& file, ZipEntry* entry, std::uint64_t end)
      : file_(file), entry_(*entry), end_(end) {}

  // The entry reaches from its header to end, no further and no less.
  void run() {
    if (end_ - entry_.header < kLocalBytes) fail("there is no room for its header");
    const std::string header = bytes(entry_.header, kLocalBytes);
    if (!header.starts_with(kLocalMagic)) fail("there is no header where the directory says");
    const std::uint64_t name = zip_u16(header, 26), extra = zip_u16(header, 28);
    const std::uint64_t room = end_ - entry_.header - kLocalBytes;
    if (name + extra > room || entry_.stored > room - name - extra)
      fail(fmt::format("its {} bytes do not end before byte {}, where something else begins",
                       grouped(entry_.stored), grouped(end_)));
    if (bytes(entry_.header + kLocalBytes, name) != entry_.name)
      fail("its header gives another name than the directory");
    entry_.offset = entry_.header + kLocalBytes + name + extra;
    const bool has_descriptor = (zip_u16(header, 6) & 8U) != 0;
    check_header(header, has_descriptor);
    check_descriptor(room - name - extra - entry_.stored, has_descriptor);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    refuse(file_.path().string(),
           fmt::format("zip entry {} (byte {}): {}", shown(entry_.name), entry_.header, message),
           "copy or download the file again");
  }

  std::string bytes(std::uint64_t offset, std::uint64_t length) const {
    std::string result(length, '\0');
    file_.read_at(offset, std::as_writable_bytes(std::span(result)));
    return result;
  }

  void check_header(std::string_view header, bool has_descriptor) const {
    const auto agrees = [&](std::uint64_t here, std::uint64_t directory) {
      return here == directory || (has_descriptor && here == 0);
    };
    const auto agrees_wide = [&](std::uint32_t here, std::uint64_t directory) {
      return agrees(here, directory) || here == 0xFFFF'FFFF;  // in 64 bits, or in the descriptor
    };
    if (zip_u16(header, 8) != (entry_.compressed ? 8 : 0) ||
        !agrees(zip_u32(header, 14), entry_.crc) ||
        !agrees_wide(zip_u32(header, 18), entry_.stored) ||
        !agrees_wide(zip_u32(header, 22), entry_.size))
      fail("its header and the directory disagree");
  }

  // Checksum and the two sizes behind the data, of 32 or 64 bits.
  void check_descriptor(std::uint64_t length, bool expected) const {
    if (!expected && length == 0) return;
    if (!expected || (length != 16 && length != 24))
      fail(fmt::format("{} bytes behind it belong to no entry", grouped(length)));
    const std::string text = bytes(entry_.offset + entry_.stored, length);
    const bool wide = length == 24;
    const std::uint64_t stored = wide ? zip_u64(text, 8) : zip_u32(text, 8);
    const std::uint64_t size = wide ? zip_u64(text, 16) : zip_u32(text, 12);
    if (!text.starts_with(kDescriptorMagic) || zip_u32(text, 4) != entry_.crc ||
        stored != entry_.stored || size != entry_.size)
      fail("what stands behind its data and the directory disagree");
  }

  const File& file_;
  ZipEntry& entry_;
  std::uint64_t end_;
};

// Entries follow one another: what overlaps or leaves a gap is refused.
void check_layout(const File& file, std::uint64_t directory, std::vector<ZipEntry>* entries) {
  std::sort(entries->begin(), entries->end(),
            [](const ZipEntry& a, const ZipEntry& b) { return a.header < b.header; });
  const std::string path = file.path().string();
  if (entries->empty()) refuse(path, "is a zip archive without entries");
  if (entries->front().header != 0)
    refuse(path, fmt::format("something stands before the first zip entry, at byte {}",
                             grouped(entries->front().header)));
  for (std::size_t i = 0; i < entries->size(); ++i) {
    ZipEntry& entry = (*entries)[i];
    const std::uint64_t end = i + 1 < entries->size() ? (*entries)[i + 1].header : directory;
    if (end < entry.header)
      refuse(path, fmt::format("zip entry {}: byte {} lies behind the entries", shown(entry.name),
                               entry.header));
    EntryCheck(file, &entry, end).run();
  }
}

// "model" of "model/data.pkl": PyTorch reads no entry outside the folder of the first.
std::string common_folder(const std::vector<ZipEntry>& entries, const std::string& path) {
  const std::string& first = entries.front().name;
  const std::size_t slash = first.find('/');
  if (slash == first.npos)
    refuse(path,
           fmt::format("is a zip archive, but not of PyTorch: {} lies in no folder", shown(first)));
  const std::string folder = first.substr(0, slash + 1);
  for (const ZipEntry& entry : entries)
    if (!entry.name.starts_with(folder))
      refuse(path, fmt::format("zip entry {} (byte {}) lies outside the folder {} of the others",
                               shown(entry.name), entry.header, shown(folder)));
  return first.substr(0, slash);
}

std::uint32_t crc_of_text(std::string_view text) {
  return crc32(0, std::as_bytes(std::span(text)));
}

std::uint32_t crc_of_stored(const File& file, const ZipEntry& entry) {
  std::uint32_t crc = 0;
  std::vector<std::byte> block;
  for (std::uint64_t done = 0; done < entry.size; done += block.size()) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, entry.size - done)));
    file.read_at(entry.offset + done, block);
    crc = crc32(crc, block);
  }
  return crc;
}

}  // namespace

ZipArchive ZipArchive::read(const File& file, std::uint64_t file_size) {
  ZipDirectory directory = read_zip_directory(file, file_size);
  check_layout(file, directory.offset, &directory.entries);
  ZipArchive archive;
  archive.entries_ = std::move(directory.entries);
  archive.folder_ = common_folder(archive.entries_, file.path().string());
  for (const ZipEntry& entry : archive.entries_)
    if (!archive.by_name_.emplace(archive.name_of(entry), &entry).second)
      refuse(file.path().string(),
             fmt::format("two zip entries are named {}; the second at byte {}", shown(entry.name),
                         entry.header));
  return archive;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::string_view ZipArchive::name_of(const ZipEntry& entry) const {
  return std::string_view(entry.name).substr(folder_.size() + 1);
}

void ZipArchive::check_contents(const File& file) const {
  for (const ZipEntry& entry : entries_) {
    const std::uint32_t crc =
        entry.compressed ? crc_of_text(read_entry(file, entry)) : crc_of_stored(file, entry);
    if (crc != entry.crc)
      refuse(file.path().string(),
             fmt::format("zip entry {} (byte {}): its {} bytes were changed since they were "
                         "written: checksum {:08x}, and {:08x} is recorded",
                         shown(entry.name), entry.offset, grouped(entry.size), crc, entry.crc),
             "copy or download the file again");
  }
}

std::string read_entry(const File& file, const ZipEntry& entry, std::uint64_t max_bytes) {
  const auto fail = [&](const std::string& message) {
    refuse(file.path().string(),
           fmt::format("zip entry {} (byte {}) {}", shown(entry.name), entry.offset, message));
  };
  if (entry.size > max_bytes)
    fail(fmt::format("is {} bytes long; at most {} are read", grouped(entry.size),
                     grouped(max_bytes)));
  std::string bytes(entry.stored, '\0');
  file.read_at(entry.offset, std::as_writable_bytes(std::span(bytes)));
  if (!entry.compressed) return bytes;
  std::optional<std::string> text = inflate(std::as_bytes(std::span(bytes)), entry.size);
  if (!text) fail(fmt::format("is damaged: it does not give {} bytes", grouped(entry.size)));
  return std::move(*text);
}

}  // namespace detent
