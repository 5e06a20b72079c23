// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf_check.hpp"

#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>

#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

std::string good_bytes() {
  std::ifstream in(fixture_folder("good") / "nothing.detent.so", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Elf64_Ehdr header_of(const std::string& bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

void set_header(std::string& bytes, const Elf64_Ehdr& header) {
  std::memcpy(bytes.data(), &header, sizeof header);
}

// What a scan says of a folder with this one file.
std::string refusal_of(const std::string& bytes) {
  const TempFolder folder;
  folder.write("x.detent.so", bytes);
  const Registry registry = Registry::scan({search(folder.path())});
  CHECK(registry.plugins().empty());
  return only_problem(registry);
}

}  // namespace

TEST_CASE("a file that is no library is refused for what it is") {
  CHECK(refusal_of("Hello, I am a text file\n") ==
        "is not a shared library: it does not begin with the ELF mark");
  CHECK(refusal_of("") == "is not a shared library: it does not begin with the ELF mark");
  CHECK(refusal_of(good_bytes().substr(0, 20)) ==
        "is truncated: its headers lie beyond the end of the file (20 bytes)");
  std::string object = good_bytes();
  Elf64_Ehdr header = header_of(object);
  header.e_type = ET_REL;
  set_header(object, header);
  CHECK(refusal_of(object) == "is an ELF file, but not a shared library");
}

#if defined(__x86_64__)
TEST_CASE("a library for another machine is refused with both named") {
  std::string bytes = good_bytes();
  Elf64_Ehdr header = header_of(bytes);
  header.e_machine = EM_AARCH64;
  set_header(bytes, header);
  CHECK(refusal_of(bytes) == "built for aarch64, this is x86-64");
  header.e_machine = EM_RISCV;
  set_header(bytes, header);
  CHECK(refusal_of(bytes) == "built for RISC-V, this is x86-64");
  header.e_machine = 4242;
  set_header(bytes, header);
  CHECK(refusal_of(bytes) == "built for architecture 4242 of ELF's list, this is x86-64");
  header.e_machine = EM_X86_64;
  header.e_ident[EI_CLASS] = ELFCLASS32;
  set_header(bytes, header);
  CHECK(refusal_of(bytes) == "built for 32 bits, this is x86-64");
  header.e_ident[EI_DATA] = ELFDATA2MSB;
  set_header(bytes, header);
  CHECK(refusal_of(bytes) == "built for a big-endian machine, this is x86-64");
}
#endif

TEST_CASE("a copy that was cut short anywhere is refused as truncated before it is loaded") {
  const std::string bytes = good_bytes();
  for (std::size_t part = 1; part < 40; ++part) {
    const std::size_t size = std::max<std::size_t>(64, bytes.size() * part / 40);
    CAPTURE(size, bytes.size());
    CHECK(contains(refusal_of(bytes.substr(0, size)), "is truncated: its "));
  }
  CHECK(contains(refusal_of(bytes.substr(0, bytes.size() - 1)), "is truncated: its "));
}

TEST_CASE("offsets and counts that overflow are refused as what they are") {
  const std::string bytes = good_bytes();
  const auto refusal_with = [&](auto change) {
    std::string copy = bytes;
    Elf64_Ehdr header = header_of(copy);
    change(header);
    set_header(copy, header);
    return refusal_of(copy);
  };
  CHECK(contains(refusal_with([](Elf64_Ehdr& h) { h.e_phoff = UINT64_MAX - 7; }), "is truncated"));
  CHECK(contains(refusal_with([](Elf64_Ehdr& h) { h.e_shoff = UINT64_MAX; }), "is truncated"));
  CHECK(contains(refusal_with([](Elf64_Ehdr& h) { h.e_shnum = 0xFFFF; }), "is truncated"));
  CHECK(refusal_with([](Elf64_Ehdr& h) { h.e_phentsize = 8; }) ==
        "is damaged: its program headers have a wrong size");
}
