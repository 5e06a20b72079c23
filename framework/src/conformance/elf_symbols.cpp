// SPDX-License-Identifier: Apache-2.0
#include "conformance/elf_symbols.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <span>

#include "base/error.hpp"
#include "base/file.hpp"
#include "plugin/elf_check.hpp"

namespace detent::conformance {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 30;

class Image {
 public:
  explicit Image(const std::filesystem::path& path) : file_(File::open_to_read(path)) {
    check_elf(file_);
    if (file_.size() > kMaxFile) refuse("the file");
    header_ = at<Elf64_Ehdr>(0, "header");
  }

  ElfSymbols read() {
    for (std::uint16_t i = 0; i < header_.e_phnum; ++i) {
      const auto part = entry<Elf64_Phdr>(header_.e_phoff, i, "program headers");
      if (part.p_type == PT_GNU_STACK) symbols_.executable_stack = (part.p_flags & PF_X) != 0;
      if (part.p_type == PT_DYNAMIC) read_dynamic(part);
    }
    for (std::uint16_t i = 0; i < header_.e_shnum; ++i) {
      const Elf64_Shdr section = section_at(i);
      if (section.sh_type == SHT_DYNSYM) read_symbols(section);
      if (section.sh_type == SHT_GNU_verneed) read_needed(section);
    }
    std::sort(symbols_.needed.begin(), symbols_.needed.end());
    return std::move(symbols_);
  }

 private:
  [[noreturn]] static void refuse(const char* what) {
    throw Error(ErrorCode::plugin, fmt::format("is damaged: its {} lead out of the file", what));
  }

  template <class T>
  T at(std::uint64_t offset, const char* what) const {
    if (offset > file_.size() || file_.size() - offset < sizeof(T)) refuse(what);
    T value;
    file_.read_at(offset, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  template <class T>
  T entry(std::uint64_t table, std::uint64_t i, const char* what) const {
    std::uint64_t offset = 0;
    if (__builtin_add_overflow(table, i * sizeof(T), &offset)) refuse(what);
    return at<T>(offset, what);
  }
  Elf64_Shdr section_at(std::uint64_t i) const {
    if (i >= header_.e_shnum) refuse("section links");
    return entry<Elf64_Shdr>(header_.e_shoff, i, "section headers");
  }
  std::string strings_of(const Elf64_Shdr& section) const {
    const Elf64_Shdr strings = section_at(section.sh_link);
    if (strings.sh_offset > file_.size() || file_.size() - strings.sh_offset < strings.sh_size)
      refuse("names");
    std::string text(strings.sh_size, '\0');
    file_.read_at(strings.sh_offset, std::as_writable_bytes(std::span(text)));
    return text;
  }
  static std::string name_at(const std::string& strings, std::uint64_t offset) {
    if (offset >= strings.size()) refuse("names");
    const std::size_t end = strings.find('\0', offset);
    return strings.substr(offset, end == std::string::npos ? end : end - offset);
  }

  void read_dynamic(const Elf64_Phdr& part) {
    for (std::uint64_t i = 0; i < part.p_filesz / sizeof(Elf64_Dyn); ++i) {
      const auto d = entry<Elf64_Dyn>(part.p_offset, i, "dynamic entries");
      if (d.d_tag == DT_NULL) return;
      if (d.d_tag == DT_FLAGS_1) symbols_.never_unloaded = (d.d_un.d_val & DF_1_NODELETE) != 0;
    }
  }

  void read_symbols(const Elf64_Shdr& section) {
    const std::string names = strings_of(section);
    for (std::uint64_t i = 0; i < section.sh_size / sizeof(Elf64_Sym); ++i) {
      const auto symbol = entry<Elf64_Sym>(section.sh_offset, i, "symbols");
      const unsigned binding = ELF64_ST_BIND(symbol.st_info);
      const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
      const bool local = binding == STB_LOCAL || symbol.st_shndx == SHN_UNDEF ||
                         visibility == STV_HIDDEN || visibility == STV_INTERNAL;
      if (local) continue;
      const std::string name = name_at(names, symbol.st_name);
      symbols_.exported.push_back(name);
      if (binding == STB_GNU_UNIQUE) symbols_.unique.push_back(name);
    }
  }

  // A chain of libraries, each with a chain of versions.
  void read_needed(const Elf64_Shdr& section) {
    const std::string names = strings_of(section);
    std::uint64_t offset = section.sh_offset;
    for (std::uint64_t i = 0; i < section.sh_info; ++i) {
      const auto library = at<Elf64_Verneed>(offset, "needed versions");
      std::uint64_t one = offset + library.vn_aux;
      for (unsigned k = 0; k < library.vn_cnt; ++k) {
        const auto version = at<Elf64_Vernaux>(one, "needed versions");
        symbols_.needed.push_back(name_at(names, version.vna_name));
        one += version.vna_next;
      }
      if (library.vn_next == 0) return;
      offset += library.vn_next;
    }
  }

  File file_;
  Elf64_Ehdr header_{};
  ElfSymbols symbols_;
};

}  // namespace

ElfSymbols read_elf_symbols(const std::filesystem::path& path) { return Image(path).read(); }

}  // namespace detent::conformance
