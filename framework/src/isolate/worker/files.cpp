// SPDX-License-Identifier: Apache-2.0
#include "isolate/worker/files.hpp"

#include <algorithm>
#include <cstring>

namespace detent::isolate {
namespace {

Folder& folder_of(const detent_folder* c) { return *static_cast<Folder*>(c->ctx); }

ByteWriter question(Word word) {
  ByteWriter out;
  out.number(static_cast<std::uint64_t>(word));
  return out;
}

}  // namespace

Folder::Folder(Ask ask) : ask_(std::move(ask)) {
  folder_ = {sizeof folder_, this, open, count, name};
}

void Folder::lend(Results* results) {
  results_ = results;
  window_ = {};
}

const std::byte* Folder::window() {
  if (results_ == nullptr) return nullptr;
  if (window_.data == nullptr) window_ = results_->take(kTransfer);
  return window_.data;
}

const detent_file* Folder::file(std::uint64_t number) {
  const auto it =
      std::find_if(files_.begin(), files_.end(), [&](const File& f) { return f.number == number; });
  if (it != files_.end()) return &it->c;
  File& made = files_.emplace_back(File{this, number});
  made.c = {&made, read, write, size};
  return &made.c;
}

std::int32_t DETENT_CALL Folder::open(const detent_folder* c, const char* path,
                                      const detent_file** out) noexcept {
  if (path == nullptr || out == nullptr) return DETENT_E_INVALID_ARG;
  try {
    ByteWriter asked = question(Word::open_file);
    asked.text(path);
    const std::string told = folder_of(c).ask_(asked.bytes());
    ByteReader in(told);
    const auto status = static_cast<std::int32_t>(in.number());
    const std::uint64_t number = in.number();
    if (status == DETENT_OK) *out = folder_of(c).file(number);
    return status;
  } catch (...) {
    return DETENT_E_IO;
  }
}

std::uint64_t DETENT_CALL Folder::count(const detent_folder* c) noexcept {
  try {
    const std::string told = folder_of(c).ask_(question(Word::count_files).bytes());
    return ByteReader(told).number();
  } catch (...) {
    return 0;
  }
}

const char* DETENT_CALL Folder::name(const detent_folder* c, std::uint64_t i) noexcept {
  Folder& self = folder_of(c);
  try {
    ByteWriter asked = question(Word::name_file);
    asked.number(i);
    const std::string told = self.ask_(asked.bytes());
    ByteReader in(told);
    if (in.number() == 0) return nullptr;
    return (self.names_[i] = in.text()).c_str();
  } catch (...) {
    return nullptr;
  }
}

std::int64_t Folder::transfer(Word word, const File& file, std::uint64_t offset, std::uint64_t n) {
  ByteWriter asked = question(word);
  for (const std::uint64_t number : {file.number, offset, n, window_.segment, window_.offset})
    asked.number(number);
  const std::string told = ask_(asked.bytes());
  return static_cast<std::int64_t>(ByteReader(told).number());
}

std::int64_t DETENT_CALL Folder::read(const detent_file* c, std::uint64_t offset, void* to,
                                      std::uint64_t n) noexcept {
  const auto& file = *static_cast<const File*>(c->ctx);
  if (to == nullptr && n != 0) return -1;
  try {
    const std::byte* window = file.folder->window();
    if (window == nullptr) return -1;
    const std::int64_t got =
        file.folder->transfer(Word::read_file, file, offset, std::min(n, kTransfer));
    if (got > 0) std::memcpy(to, window, static_cast<std::size_t>(got));
    return got;
  } catch (...) {
    return -1;
  }
}

// All of it: a plugin that ignores short counts loses nothing.
std::int64_t DETENT_CALL Folder::write(const detent_file* c, std::uint64_t offset, const void* from,
                                       std::uint64_t n) noexcept {
  const auto& file = *static_cast<const File*>(c->ctx);
  if (from == nullptr && n != 0) return -1;
  try {
    if (file.folder->window() == nullptr) return -1;
    for (std::uint64_t done = 0; done < n;) {
      const std::uint64_t piece = std::min(n - done, kTransfer);
      std::memcpy(file.folder->window_.data, static_cast<const std::byte*>(from) + done, piece);
      if (file.folder->transfer(Word::write_file, file, offset + done, piece) !=
          static_cast<std::int64_t>(piece))
        return -1;
      done += piece;
    }
    return static_cast<std::int64_t>(n);
  } catch (...) {
    return -1;
  }
}

std::uint64_t DETENT_CALL Folder::size(const detent_file* c) noexcept {
  const auto& file = *static_cast<const File*>(c->ctx);
  try {
    ByteWriter asked = question(Word::size_file);
    asked.number(file.number);
    const std::string told = file.folder->ask_(asked.bytes());
    return ByteReader(told).number();
  } catch (...) {
    return 0;
  }
}

}  // namespace detent::isolate
