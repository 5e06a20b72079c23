// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf_check.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <elf.h>
#include <fmt/format.h>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace detent {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kThisMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kThisMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr std::uint16_t kThisMachine = EM_RISCV;
#elif defined(__powerpc64__)
constexpr std::uint16_t kThisMachine = EM_PPC64;
#elif defined(__s390x__)
constexpr std::uint16_t kThisMachine = EM_S390;
#else
#error "the number that ELF gives to this architecture"
#endif

[[noreturn]] void refuse(std::string reason) { throw Error(ErrorCode::plugin, std::move(reason)); }

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_386: return "32-bit x86";
    case EM_X86_64: return "x86-64";
    case EM_ARM: return "32-bit ARM";
    case EM_AARCH64: return "aarch64";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "ppc64";
    case EM_S390: return "s390x";
    default: return fmt::format("architecture {} of ELF's list", machine);
  }
}

// Are `count` entries of `each` bytes from offset on inside a file of `size` bytes?
bool is_inside(std::uint64_t offset, std::uint64_t count, std::uint64_t each, std::uint64_t size) {
  std::uint64_t length = 0;
  std::uint64_t end = 0;
  return !__builtin_mul_overflow(count, each, &length) &&
         !__builtin_add_overflow(offset, length, &end) && end <= size;
}

[[noreturn]] void refuse_truncated(const char* what, std::uint64_t size) {
  refuse(fmt::format("is truncated: its {} lie beyond the end of the file ({} bytes)", what, size));
}

template <class Header>
std::vector<Header> read_table(const File& file, std::uint64_t offset, std::uint64_t count,
                               std::uint64_t entry_size, const char* what) {
  if (count == 0) return {};
  if (entry_size != sizeof(Header))
    refuse(fmt::format("is damaged: its {} have a wrong size", what));
  if (!is_inside(offset, count, entry_size, file.size())) refuse_truncated(what, file.size());
  std::vector<Header> table(count);
  file.read_at(offset, std::as_writable_bytes(std::span(table)));
  return table;
}

Elf64_Ehdr read_header(const File& file) {
  Elf64_Ehdr header{};
  const std::uint64_t size = file.size();
  const std::uint64_t there = std::min<std::uint64_t>(size, sizeof header);
  file.read_at(0, std::as_writable_bytes(std::span(&header, 1)).first(there));
  if (there < SELFMAG || !std::equal(ELFMAG, ELFMAG + SELFMAG, header.e_ident)) {
    refuse("is not a shared library: it does not begin with the ELF mark");
  }
  if (there < sizeof header) refuse_truncated("headers", size);
  return header;
}

void check_machine(const Elf64_Ehdr& header) {
  const bool little = header.e_ident[EI_DATA] == ELFDATA2LSB;
  if (little != (std::endian::native == std::endian::little)) {
    refuse(fmt::format("built for a {}-endian machine, this is {}", little ? "little" : "big",
                       machine_name(kThisMachine)));
  }
  if (header.e_machine != kThisMachine) {
    refuse(fmt::format("built for {}, this is {}", machine_name(header.e_machine),
                       machine_name(kThisMachine)));
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64) {
    refuse(fmt::format("built for 32 bits, this is {}", machine_name(kThisMachine)));
  }
  if (header.e_type != ET_DYN) refuse("is an ELF file, but not a shared library");
}

}  // namespace

void check_elf(const File& file) {
  const Elf64_Ehdr header = read_header(file);
  check_machine(header);
  const std::uint64_t size = file.size();
  for (const Elf64_Phdr& part : read_table<Elf64_Phdr>(file, header.e_phoff, header.e_phnum,
                                                       header.e_phentsize, "program headers")) {
    if (part.p_type == PT_LOAD && !is_inside(part.p_offset, part.p_filesz, 1, size)) {
      refuse_truncated("segments", size);
    }
  }
  // The loader does not need sections, but they come last: a copy that was cut short lacks them.
  for (const Elf64_Shdr& section : read_table<Elf64_Shdr>(file, header.e_shoff, header.e_shnum,
                                                          header.e_shentsize, "section headers")) {
    const bool stored = section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL;
    if (stored && !is_inside(section.sh_offset, section.sh_size, 1, size)) {
      refuse_truncated("sections", size);
    }
  }
}

}  // namespace detent
