// SPDX-License-Identifier: Apache-2.0
#include "model/torch/zip_archive.hpp"

#include "model/torch/zip_directory.hpp"
#include "model_files.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

ZipWriter two_entries() {
  ZipWriter zip;
  zip.add("m/data.pkl", "first").add("m/data/0", counting(300));
  return zip;
}

struct Opened {
  File file;
  ZipArchive zip;
};

Opened open_zip(const TempFolder& folder, std::string_view bytes) {
  File file = File::open_to_read(folder.write("m.zip", bytes));
  ZipArchive zip = ZipArchive::read(file, file.size());
  zip.check_contents(file);
  return {std::move(file), std::move(zip)};
}

std::string refusal_of(std::string_view bytes) {
  const TempFolder folder;
  return refusal([&] { open_zip(folder, bytes); });
}

// bytes with `with` at the n-th occurrence of `what`, plus offset.
std::string patched(std::string bytes, std::string_view what, std::size_t offset,
                    std::string_view with, int n = 0) {
  std::size_t at = bytes.find(what);
  while (n-- > 0) at = bytes.find(what, at + 1);
  REQUIRE(at != std::string::npos);
  return bytes.replace(at + offset, with.size(), with);
}

constexpr const char* kDirectoryEntry = "PK\x01\x02";

}  // namespace

TEST_CASE("A zip archive's entries are found and read, whichever of its forms it has") {
  const TempFolder folder;
  for (const bool descriptors : {true, false}) {
    for (const bool wide : {true, false}) {
      CAPTURE(descriptors, wide);
      ZipWriter writer = two_entries();
      writer.descriptors = descriptors;
      writer.wide_directory = wide;
      const Opened opened = open_zip(folder, writer.bytes());
      CHECK(opened.zip.folder() == "m");
      REQUIRE(opened.zip.entries().size() == 2);
      REQUIRE(opened.zip.find("data/0") != nullptr);
      CHECK(read_entry(opened.file, *opened.zip.find("data/0"), 300) == counting(300));
      CHECK(opened.zip.find("m/data/0") == nullptr);
      CHECK(contains(refusal([&] { read_entry(opened.file, *opened.zip.find("data/0"), 299); }),
                     "is 300 bytes long; at most 299 are read"));
    }
  }
}

TEST_CASE("Zip entries with 64-bit sizes and offsets are read, and damaged ones refused") {
  const TempFolder folder;
  ZipWriter writer = two_entries();
  writer.wide_entries = true;
  const std::string bytes = writer.bytes();
  const Opened opened = open_zip(folder, bytes);
  CHECK(read_entry(opened.file, *opened.zip.find("data/0")) == counting(300));
  // The field is behind the name "m/data/0": its length, the size, the stored size, the offset.
  const std::string field = "m/data/0" + little(1, 2) + little(24, 2);
  CHECK(contains(refusal_of(patched(bytes, field, 10, little(16, 2))), "64-bit sizes are damaged"));
  CHECK(contains(refusal_of(patched(bytes, field, 10, little(999, 2))), "fields are damaged"));
  CHECK(contains(refusal_of(patched(bytes, field, 12, little(UINT64_MAX, 8))), "yet takes 300"));
  const std::string huge = little(UINT64_MAX, 8) + little(UINT64_MAX, 8);
  CHECK(contains(refusal_of(patched(bytes, field, 12, huge)), "do not end before byte"));
  CHECK(contains(refusal_of(patched(bytes, field, 28, little(UINT64_MAX - 5, 8))), "belong to no"));
}

TEST_CASE("A bit that is flipped in an entry's data is found by its checksum") {
  const std::string bytes = two_entries().bytes();
  const std::size_t at = bytes.find(counting(300));
  for (const std::size_t place : {std::size_t{0}, std::size_t{150}, std::size_t{299}}) {
    std::string damaged = bytes;
    damaged[at + place] = static_cast<char>(damaged[at + place] ^ 1);
    CHECK(contains(refusal_of(damaged), "zip entry \"m/data/0\" (byte "));
    CHECK(contains(refusal_of(damaged), "its 300 bytes were changed since they were written"));
  }
}

TEST_CASE("Zip entries that overlap, leave a gap or go beyond the directory are refused") {
  const std::string bytes = two_entries().bytes();
  // The second entry of the directory points into the first; and to its very beginning.
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 42, little(52, 4), 1)),
                 "do not end before byte 52"));
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 42, little(0, 4), 1)),
                 "there is no room for its header"));
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 42, little(0xFFFF'FFF0, 4), 1)),
                 "bytes behind it belong to no entry"));
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 42, little(1, 4))),
                 "something stands before the first zip entry"));
  ZipWriter writer = two_entries();
  writer.gap = "hidden!!";
  CHECK(contains(refusal_of(writer.bytes()), "what stands behind its data"));
  writer.gap = "x";
  CHECK(contains(refusal_of(writer.bytes()), "17 bytes behind it belong to no entry"));
  CHECK(contains(refusal_of("x" + bytes), "the 64-bit end of the zip directory"));
  writer = two_entries();
  writer.wide_directory = false;
  CHECK(contains(refusal_of("x" + writer.bytes()), "does not end at byte"));
  CHECK(contains(refusal_of(bytes + "x"), "without a directory at its end"));
}

TEST_CASE("A zip archive that is truncated is refused at every length") {
  const std::string bytes = two_entries().bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal_of(bytes.substr(0, length)) != "accepted");
  }
}

TEST_CASE("Sizes that a zip archive claims are checked against the file, not allocated") {
  ZipWriter bomb;
  bomb.add({"m/data/0", "tiny", 0xFFFF'FFF0});
  CHECK(contains(refusal_of(bomb.bytes()), "its 4,294,967,280 bytes do not end before"));
  const std::string bytes = two_entries().bytes();
  const std::string huge = little(0x7FFF'FFFF'FFFF'FFFF, 8);
  CHECK(contains(refusal_of(patched(bytes, "PK\x06\x06", 40, huge)), "disagree"));
  std::string both = patched(bytes, "PK\x05\x06", 12, little(0xFFFF'FFFF, 4));
  CHECK(contains(refusal_of(patched(both, "PK\x06\x06", 40, huge)), "does not end at byte"));
  both = patched(bytes, "PK\x05\x06", 8, little(0xFFFF'FFFF, 4));
  both = patched(both, "PK\x06\x06", 24, huge + huge);
  CHECK(contains(refusal_of(both), "lists 9,223,372,036,854,775,807 zip entries"));
}

TEST_CASE("Header and directory of a zip entry must say the same") {
  ZipWriter writer = two_entries();
  writer.descriptors = false;
  const std::string plain = writer.bytes();
  CHECK(contains(refusal_of(patched(plain, "PK\x03\x04", 14, "abcd")), "disagree"));
  CHECK(contains(refusal_of(patched(plain, "PK\x03\x04", 18, little(4, 4))), "disagree"));
  CHECK(contains(refusal_of(patched(plain, "PK\x03\x04", 30, "M")), "another name"));
  CHECK(contains(refusal_of(patched(plain, "PK\x03\x04", 26, little(0xFFFF, 2))), "do not end"));
  const std::string bytes = two_entries().bytes();
  CHECK(contains(refusal_of(patched(bytes, "PK\x07\x08", 4, "abcd")), "behind its data"));
  CHECK(contains(refusal_of(patched(bytes, "PK\x07\x08", 12, little(9, 4))), "behind its data"));
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 0, "PKxx")), "is damaged at byte"));
}

TEST_CASE("Two zip entries of one name are refused") {
  ZipWriter writer = two_entries();
  writer.add("m/data/0", "other");
  CHECK(contains(refusal_of(writer.bytes()), "two zip entries are named \"m/data/0\""));
}

TEST_CASE("What PyTorch does not write in a zip archive is refused by what it is") {
  const auto with = [](ZipRecord record) {
    ZipWriter writer;
    return refusal_of(writer.add("m/version", "3").add(std::move(record)).bytes());
  };
  CHECK(contains(with({"m/data/0", "x", UINT64_MAX, 8}),
                 "is compressed (method 8), which PyTorch does to code"));
  CHECK(contains(with({"m/code/a.py", "x", UINT64_MAX, 12}), "is compressed (method 12)"));
  CHECK(contains(with({"other/data/0", "x"}), "lies outside the folder \"m/\""));
  ZipWriter writer = two_entries();
  writer.comment = "hello";
  CHECK(contains(refusal_of(writer.bytes()), "without a directory at its end"));
  const std::string bytes = two_entries().bytes();
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 8, little(1, 2))), "is encrypted"));
  CHECK(contains(refusal_of(patched(bytes, kDirectoryEntry, 8, little(0x10, 2))), "unknown flags"));
  CHECK(contains(refusal_of(ZipWriter().bytes()), "without entries"));
  CHECK(contains(refusal_of(ZipWriter().add("data.pkl", "x").bytes()), "lies in no folder"));
}

TEST_CASE("Names of zip entries that lead elsewhere or hide something are refused") {
  CHECK(zip_name_fault("m/data/0") == "");
  CHECK(zip_name_fault("m/.data/serialization_id") == "");
  CHECK(zip_name_fault("") == "is empty");
  CHECK(zip_name_fault("m/../../etc/passwd") == "leads to another folder");
  CHECK(zip_name_fault("./m") == "leads to another folder");
  CHECK(zip_name_fault("/etc/passwd") == "has an empty part");
  CHECK(zip_name_fault("m//x") == "has an empty part");
  CHECK(zip_name_fault("m/") == "is that of a folder");
  CHECK(zip_name_fault("m\\x") == "holds a backslash");
  CHECK(zip_name_fault(std::string_view("m/a\0b", 5)) == "holds a control character");
  CHECK(zip_name_fault(std::string(5000, 'a')) == "is longer than 4096 bytes");
}

TEST_CASE("Compressed code is inflated to exactly the size that is claimed") {
  // "hello hello hello hello" by another deflate: zlib.compressobj(9, 8, -15) of Python.
  const std::string packed = "\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01";
  const std::string text = "hello hello hello hello";
  const auto archive = [&](std::uint64_t claimed) {
    ZipWriter writer;
    std::string bytes = writer.add({"m/code/a.py", packed, UINT64_MAX, 8}).bytes();
    // Sizes before compression: in the descriptor and in the directory, 12 and 24 bytes in.
    bytes = patched(bytes, "PK\x07\x08", 4, little(own_crc32(text), 4));
    bytes = patched(bytes, "PK\x07\x08", 12, little(claimed, 4));
    bytes = patched(bytes, kDirectoryEntry, 16, little(own_crc32(text), 4));
    return patched(bytes, kDirectoryEntry, 24, little(claimed, 4));
  };
  const TempFolder folder;
  const Opened opened = open_zip(folder, archive(text.size()));
  CHECK(read_entry(opened.file, *opened.zip.find("code/a.py")) == text);
  CHECK(contains(refusal_of(archive(text.size() - 1)), "does not give 22 bytes"));
  CHECK(contains(refusal_of(archive(text.size() + 1)), "does not give 24 bytes"));
  CHECK(contains(refusal_of(archive(1'000'000)), "10 compressed bytes cannot be the 1,000,000"));
}

}  // namespace detent::test
