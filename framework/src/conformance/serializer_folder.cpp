// SPDX-License-Identifier: Apache-2.0
#include "conformance/serializer_folder.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <stdlib.h>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "plugin/output_folder.hpp"

namespace detent::conformance {

// The C functions behind detent_folder and detent_file.
struct FolderServices {
  static MemoryFolder& of(const detent_folder* f) { return *static_cast<MemoryFolder*>(f->ctx); }
  static MemoryFolder::Open& of(const detent_file* f) {
    return *static_cast<MemoryFolder::Open*>(f->ctx);
  }

  static std::int32_t DETENT_CALL open(const detent_folder* f, const char* path,
                                       const detent_file** out) noexcept {
    return of(f).open(path, out);
  }
  static std::uint64_t DETENT_CALL count(const detent_folder* f) noexcept {
    return of(f).files_.size();
  }
  static const char* DETENT_CALL name(const detent_folder* f, std::uint64_t i) noexcept {
    return i < of(f).files_.size() ? of(f).files_[i].name.c_str() : nullptr;
  }
  static std::int64_t DETENT_CALL read(const detent_file* f, std::uint64_t offset, void* to,
                                       std::uint64_t n) noexcept {
    return of(f).folder->read(of(f), offset, to, n);
  }
  static std::int64_t DETENT_CALL write(const detent_file* f, std::uint64_t offset,
                                        const void* from, std::uint64_t n) noexcept {
    return of(f).folder->write(of(f), offset, from, n);
  }
  static std::uint64_t DETENT_CALL size(const detent_file* f) noexcept {
    return of(f).content.size();
  }
};

namespace {

constexpr std::uint64_t kMaxFile = 256U << 20U;  // the models here are far smaller

detent_folder table_of(MemoryFolder* folder) {
  return {sizeof(detent_folder), folder, &FolderServices::open, &FolderServices::count,
          &FolderServices::name};
}

}  // namespace

MemoryFolder::MemoryFolder(FolderWishes wishes)
    : wishes_(wishes), to_read_(false), folder_(table_of(this), Minor::same, 0) {}

MemoryFolder::MemoryFolder(const Files& files, FolderWishes wishes)
    : wishes_(wishes), to_read_(true), folder_(table_of(this), Minor::same, 0) {
  for (const auto& [name, content] : files) add(name, content);
}

Files MemoryFolder::files() const {
  Files all;
  for (const Open& f : files_) all[f.name] = f.content;
  return all;
}

MemoryFolder::Open& MemoryFolder::add(const std::string& name, std::string content) {
  Open& file = files_.emplace_back(Open{this, name, std::move(content), {}});
  file.c = {&file, &FolderServices::read, &FolderServices::write, &FolderServices::size};
  return file;
}

void MemoryFolder::note(std::string what) {
  if (misuse_.empty()) misuse_ = std::move(what);
}

std::int32_t MemoryFolder::open(const char* path, const detent_file** out) {
  if (path == nullptr || out == nullptr) {
    note("it opened a file without a name, or without a place for it");
    return DETENT_E_INVALID_ARG;
  }
  if (ended_) note(fmt::format("it opened \"{}\" after the folder's end", printable(path)));
  if (!is_safe_relative_path(path)) {
    note(fmt::format("it opened \"{}\", which is not a name inside the folder", printable(path)));
    return DETENT_E_INVALID_ARG;
  }
  if (wishes_.open_status != DETENT_OK) return wishes_.open_status;
  const auto found =
      std::find_if(files_.begin(), files_.end(), [&](const Open& f) { return f.name == path; });
  if (found == files_.end() && to_read_) return DETENT_E_IO;
  *out = found != files_.end() ? &found->c : &add(path, "").c;
  return DETENT_OK;
}

bool MemoryFolder::may_transfer(const char* what, const Open& file) {
  if (ended_) {
    note(fmt::format("it {} \"{}\" after the folder's end", what, printable(file.name)));
    return false;
  }
  return transfers_++ != wishes_.failing;
}

std::int64_t MemoryFolder::read(const Open& file, std::uint64_t offset, void* to, std::uint64_t n) {
  const bool counts = to_read_ ? may_transfer("read from", file) : !ended_;
  if (!counts || (to == nullptr && n != 0)) return -1;
  if (offset >= file.content.size()) return 0;
  n = std::min({n, wishes_.step, file.content.size() - offset});
  std::memcpy(to, file.content.data() + offset, n);
  return static_cast<std::int64_t>(n);
}

std::int64_t MemoryFolder::write(Open& file, std::uint64_t offset, const void* from,
                                 std::uint64_t n) {
  if (to_read_) {
    note(fmt::format("it wrote into \"{}\", which it was given to read", printable(file.name)));
    return -1;
  }
  if (!may_transfer("wrote into", file) || (from == nullptr && n != 0)) return -1;
  n = std::min(n, wishes_.step);
  if (offset > kMaxFile || n > kMaxFile - offset) {
    note(fmt::format("it wrote {} bytes at offset {} of \"{}\", for a model of a few kilobytes", n,
                     offset, printable(file.name)));
    return -1;
  }
  if (n == 0) return 0;
  if (file.content.size() < offset + n) file.content.resize(offset + n);
  std::memcpy(file.content.data() + offset, from, n);
  return static_cast<std::int64_t>(n);
}

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "detent-check-XXXXXX").string();
  expect(::mkdtemp(pattern.data()) != nullptr, "there is no room for a folder {}", pattern);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace detent::conformance
