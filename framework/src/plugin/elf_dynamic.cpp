// SPDX-License-Identifier: Apache-2.0
// check_stands_alone: what a library's dynamic section says of where it looks for others.
#include <algorithm>
#include <elf.h>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "plugin/elf_check.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kMaxEntries = 4096;
constexpr std::uint64_t kMaxPathBytes = 4096;

// The headers were looked at by check_elf: tables and segments lie inside the file.
class DynamicSection {
 public:
  explicit DynamicSection(const File& file) : file_(file) {
    Elf64_Ehdr header{};
    file.read_at(0, std::as_writable_bytes(std::span(&header, 1)));
    parts_.resize(header.e_phnum);
    file.read_at(header.e_phoff, std::as_writable_bytes(std::span(parts_)));
    for (const Elf64_Phdr& part : parts_)
      if (part.p_type == PT_DYNAMIC) read_entries(part);
  }

  // Of DT_RPATH or DT_RUNPATH; empty when there is none.
  std::string search_path() const {
    const std::optional<std::uint64_t> texts = value_of(DT_STRTAB);
    for (const Elf64_Sxword tag : {DT_RUNPATH, DT_RPATH}) {
      const std::optional<std::uint64_t> offset = value_of(tag);
      if (texts && offset) return text_at(*texts, *offset);
    }
    return {};
  }

 private:
  void read_entries(const Elf64_Phdr& part) {
    const std::uint64_t count = std::min(part.p_filesz / sizeof(Elf64_Dyn), kMaxEntries);
    std::uint64_t end = 0;
    const bool overflows = __builtin_add_overflow(part.p_offset, part.p_filesz, &end);
    if (overflows || end > file_.size()) return;
    entries_.resize(count);
    file_.read_at(part.p_offset, std::as_writable_bytes(std::span(entries_)));
  }

  std::optional<std::uint64_t> value_of(Elf64_Sxword tag) const {
    for (const Elf64_Dyn& entry : entries_) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == tag) return entry.d_un.d_val;
    }
    return std::nullopt;
  }

  // The text at `offset` of the table at this address, as far as the file has it.
  std::string text_at(std::uint64_t address, std::uint64_t offset) const {
    if (__builtin_add_overflow(address, offset, &address)) return {};
    for (const Elf64_Phdr& part : parts_) {
      if (part.p_type != PT_LOAD || address < part.p_vaddr) continue;
      const std::uint64_t within = address - part.p_vaddr;
      if (within >= part.p_filesz) continue;
      std::string text(std::min(kMaxPathBytes, part.p_filesz - within), '\0');
      file_.read_at(part.p_offset + within, std::as_writable_bytes(std::span(text)));
      return text.substr(0, text.find('\0'));
    }
    return {};
  }

  const File& file_;
  std::vector<Elf64_Phdr> parts_;
  std::vector<Elf64_Dyn> entries_;
};

}  // namespace

void check_stands_alone(const File& file) {
  const std::string path = DynamicSection(file).search_path();
  if (path.find("$ORIGIN") == std::string::npos && path.find("${ORIGIN}") == std::string::npos)
    return;
  throw Error(
      ErrorCode::plugin,
      fmt::format("is pinned and looks for other libraries beside itself ({}), which no pin "
                  "covers: link them into it, or remove the pin",
                  printable(path)));
}

}  // namespace detent
