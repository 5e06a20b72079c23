// SPDX-License-Identifier: Apache-2.0
// Files of PyTorch that claim more than they hold, or are made to cost far more memory or time
// than their size.
#include <string>

#include "model/torch/zip_directory.hpp"
#include "support/catch.hpp"
#include "support/cost.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

using namespace test::pickle;

void check_bomb(const char* name, std::string bytes, const std::string& message) {
  const test::TempFolder folder;
  const auto path = folder.write("bomb.pt", bytes);
  std::string().swap(bytes);  // the child would have it, too
  const test::Cost cost = test::cost_of_opening(path);
  INFO(name << ": " << cost.seconds << " s, " << cost.megabytes << " MB, " << cost.outcome);
  WARN(name << ": " << cost.seconds << " s, " << cost.megabytes << " MB");
  CHECK(test::contains(cost.outcome, message));
  CHECK(cost.outcome.size() < 1500);
  CHECK(cost.seconds < 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(cost.megabytes < 1000);
#endif
}

std::string archive(const std::string& pickled) {
  test::ZipWriter zip;
  return zip.add("m/data.pkl", pickled).add("m/data/0", test::counting(24)).bytes();
}

std::string repeated(const std::string& unit, std::size_t count) {
  std::string text;
  text.reserve(unit.size() * count);
  for (std::size_t i = 0; i < count; ++i) text += unit;
  return text;
}

}  // namespace

TEST_CASE("Pickles of megabytes cost no more than a bounded memory and time") {
  constexpr std::size_t kMany = 20'000'000;
  check_bomb("lists", archive(std::string(kMany, ']')), "its stack is deeper than");
  check_bomb("lists that are dropped", archive(repeated("]0", kMany)), "more values than are read");
  check_bomb("lists in lists",
             archive(std::string(3'000'000, ']') + std::string(2'999'999, 'a') + "."),
             "holds a list, not a dictionary");
  check_bomb("marks", archive(std::string(kMany, '(')), "more than 4000000 marks");
  check_bomb("remembered", archive("N" + std::string(kMany, '\x94')), "remembers more than");
  check_bomb("opcodes", archive("N" + repeated("20", 3 * kMany)), "more than 50000000 opcodes");
  check_bomb("names",
             archive(text(std::string(100'000, 'x')) + "q\x01" +
                     repeated("h\x01h\x01\x93"
                              "0",
                              kMany / 100)),
             "more values than are read");
}

TEST_CASE("Dictionaries that hold one another many times over are not walked for ever") {
  // Each of 40 dictionaries holds the one before it twice: 2^40 places.
  std::string nested = dict(text("w") + tensor({})) + "q" + std::string(1, '\0');
  for (int i = 0; i < 40; ++i) {
    const auto before = static_cast<char>(i), here = static_cast<char>(i + 1);
    nested = nested + "0" +
             dict(text("w") + tensor({}) + text("a") + "h" + before + text("b") + "h" + before) +
             "q" + here;
  }
  check_bomb("shared dictionaries", archive("\x80\x02" + nested + "."), "holds more than 250,000");
  std::string itself = "}q\x01(" + text("w") + tensor({}) + text("me") + "h\x01u";
  check_bomb("a dictionary in itself", archive(whole(itself)), "nested deeper than 64");
}

TEST_CASE("Zip archives that claim gigabytes are refused before any of it is allocated") {
  for (const std::uint64_t size : {std::uint64_t{0xFFFF'FFFE}, std::uint64_t{1'000'000'000}}) {
    test::ZipWriter zip;
    check_bomb("a record", zip.add({"m/data.pkl", "x", size}).bytes(), "do not end before byte");
  }
  test::ZipWriter code;
  check_bomb("compressed code", code.add({"m/code/a.py", "x", 0xFFFF'FFFE, 8}).bytes(),
             "4,294,967,294 bytes of code and more; at most 256,000,000");
}

TEST_CASE("The most zip entries that are allowed are read, and one more is not") {
  // Without the 64-bit end of the directory, there are at most 65,535.
  test::ZipWriter zip;
  zip.add("m/data.pkl", whole(dict(text("w") + tensor({})))).add("m/data/0", test::counting(24));
  for (std::size_t i = 2; i < kMaxZipEntries; ++i) zip.add("m/x/" + std::to_string(i), "");
  check_bomb("500,000 entries", zip.bytes(), "accepted");
  zip.add("m/y", "");
  check_bomb("500,001 entries", zip.bytes(), "lists 500,001 zip entries");
}

}  // namespace detent
