// SPDX-License-Identifier: Apache-2.0
#include "plugin/output_folder.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "fixtures.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

std::int32_t open(const OutputFolder& folder, const std::string& path,
                  const detent_file** out = nullptr) {
  const detent_file* ignored = nullptr;
  return folder.c()->open(folder.c(), path.c_str(), out != nullptr ? out : &ignored);
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t entries(const fs::path& path) {
  return static_cast<std::size_t>(
      std::distance(fs::recursive_directory_iterator(path), fs::recursive_directory_iterator()));
}

}  // namespace

TEST_CASE("paths that lead out of the folder, or nowhere, are refused") {
  for (const char* good : {"a", "a.b", "a/b/c", "..a", "a..", "a/..b", "-", "a b", ".hidden"}) {
    CAPTURE(good);
    CHECK(is_safe_relative_path(good));
  }
  for (const char* bad : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "./a",
                          "a/./b", "a/../../b", "//a"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_safe_relative_path(bad));
  }
  CHECK_FALSE(is_safe_relative_path(std::string_view("a\0b", 3)));
  CHECK_FALSE(is_safe_relative_path(std::string(1025, 'a')));
}

TEST_CASE("files are written at their offsets and named in the order of their making") {
  const TempFolder temp;
  OutputFolder folder(temp.path());
  const detent_file* b = nullptr;
  const detent_file* a = nullptr;
  REQUIRE(open(folder, "b.bin", &b) == DETENT_OK);
  REQUIRE(open(folder, "parts/one/a.bin", &a) == DETENT_OK);
  CHECK(b->pwrite(b, 3, "def", 3) == 3);
  CHECK(b->pwrite(b, 0, "abc", 3) == 3);
  CHECK(a->pwrite(a, 0, "x", 1) == 1);
  CHECK(b->size(b) == 6);
  char back[8] = {};
  CHECK(b->pread(b, 4, back, 8) == 2);
  CHECK(std::string(back) == "ef");
  CHECK(b->pread(b, 100, back, 8) == 0);
  const detent_file* again = nullptr;
  CHECK(open(folder, "b.bin", &again) == DETENT_OK);
  CHECK(again == b);
  CHECK(folder.c()->count(folder.c()) == 2);
  CHECK(std::string(folder.c()->name(folder.c(), 1)) == "parts/one/a.bin");
  CHECK(folder.c()->name(folder.c(), 2) == nullptr);
  CHECK(folder.finish() == std::vector<std::string>{"b.bin", "parts/one/a.bin"});
  CHECK(read(temp / "b.bin") == "abcdef");
  CHECK(read(temp / "parts/one/a.bin") == "x");
}

TEST_CASE("what was not finished is removed, with the folders that were made for it") {
  const TempFolder temp;
  fs::create_directory(temp / "there");
  {
    OutputFolder folder(temp.path());
    CHECK(open(folder, "a.bin") == DETENT_OK);
    CHECK(open(folder, "new/deep/b.bin") == DETENT_OK);
    CHECK(open(folder, "there/c.bin") == DETENT_OK);
    CHECK(entries(temp.path()) == 6);
  }
  CHECK(entries(temp.path()) == 1);
  CHECK(fs::is_directory(temp / "there"));
}

TEST_CASE("an existing file and a symbolic link are never written to") {
  const TempFolder temp;
  const TempFolder elsewhere;
  temp.write("there.bin", "mine");
  fs::create_symlink(elsewhere / "target", temp / "link.bin");
  fs::create_directory_symlink(elsewhere.path(), temp / "linked");
  OutputFolder folder(temp.path());
  CHECK(open(folder, "there.bin") == DETENT_E_IO);
  CHECK(folder.failure() == "cannot create " + (temp / "there.bin").string() + ": File exists");
  CHECK(open(folder, "link.bin") == DETENT_E_IO);
  CHECK(open(folder, "linked/file.bin") == DETENT_E_IO);
  CHECK(open(folder, "there.bin/below") == DETENT_E_IO);
  CHECK(open(folder, "../escaped") == DETENT_E_INVALID_ARG);
  CHECK(folder.c()->open(folder.c(), nullptr, nullptr) == DETENT_E_INVALID_ARG);
  folder.discard();
  CHECK(read(temp / "there.bin") == "mine");
  CHECK(entries(elsewhere.path()) == 0);
}

TEST_CASE("offsets beyond what a file can have are failures with the path and the reason") {
  const TempFolder temp;
  OutputFolder folder(temp.path());
  const detent_file* f = nullptr;
  REQUIRE(open(folder, "a.bin", &f) == DETENT_OK);
  CHECK(f->pwrite(f, UINT64_MAX - 1, "abc", 3) == -1);
  CHECK(folder.failure() == "cannot seek " + (temp / "a.bin").string() + ": File too large");
  CHECK(f->pwrite(f, INT64_MAX, "abc", 3) == -1);
  CHECK(f->pread(f, UINT64_MAX, nullptr, 0) == -1);
  CHECK(f->pwrite(f, 0, nullptr, 3) == -1);
  CHECK(f->size(f) == 0);
}

TEST_CASE("a folder that does not exist is an input/output error with its path") {
  const Error e = error_of([] { OutputFolder folder("/nonexistent/out"); });
  CHECK(e.code() == ErrorCode::io);
  CHECK(contains(e.what(), "/nonexistent/out"));
}
