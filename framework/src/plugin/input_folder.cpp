// SPDX-License-Identifier: Apache-2.0
#include "plugin/input_folder.hpp"

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "plugin/output_folder.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxFiles = 4096;
constexpr std::uint64_t kMaxTransfer = std::uint64_t{1} << 30U;

}  // namespace

InputFolder::InputFolder(std::filesystem::path root) : root_(std::move(root)) {
  folder_ = {sizeof folder_, this, open, count, name};
}

void InputFolder::note_failure(const std::exception& e) noexcept {
  try {
    const auto* error = dynamic_cast<const Error*>(&e);
    if (failure_.empty()) failure_ = error != nullptr ? error->problems()[0].message : e.what();
  } catch (...) {
    // No memory for the reason; the status says that it failed.
  }
}

std::int32_t DETENT_CALL InputFolder::open(const detent_folder* folder, const char* relpath,
                                           const detent_file** out) noexcept {
  auto& self = *static_cast<InputFolder*>(folder->ctx);
  if (relpath == nullptr || out == nullptr || !is_safe_relative_path(relpath))
    return DETENT_E_INVALID_ARG;
  try {
    const std::string path(relpath);
    const auto it = std::find_if(self.files_.begin(), self.files_.end(),
                                 [&](const OpenFile& f) { return f.name == path; });
    if (it != self.files_.end()) return *out = &it->c, DETENT_OK;
    if (self.files_.size() >= kMaxFiles) return DETENT_E_INVALID_ARG;
    OpenFile& file =
        self.files_.emplace_back(OpenFile{path, &self, File::open_beneath(self.root_, path), {}});
    file.c = {&file, read, write, size};
    *out = &file.c;
    return DETENT_OK;
  } catch (const std::bad_alloc&) {
    return DETENT_E_NO_MEMORY;
  } catch (const std::exception& e) {
    self.note_failure(e);
    return DETENT_E_IO;
  }
}

std::uint64_t DETENT_CALL InputFolder::count(const detent_folder* folder) noexcept {
  return static_cast<const InputFolder*>(folder->ctx)->files_.size();
}

const char* DETENT_CALL InputFolder::name(const detent_folder* folder, std::uint64_t i) noexcept {
  const auto& files = static_cast<const InputFolder*>(folder->ctx)->files_;
  return i < files.size() ? files[i].name.c_str() : nullptr;
}

std::int64_t DETENT_CALL InputFolder::read(const detent_file* c, std::uint64_t offset, void* to,
                                           std::uint64_t n) noexcept {
  const auto& file = *static_cast<const OpenFile*>(c->ctx);
  try {
    const std::uint64_t size = file.file.size();
    if (to == nullptr && n != 0) return -1;
    if (offset >= size) return 0;
    n = std::min({n, size - offset, kMaxTransfer});
    file.file.read_at(offset, {static_cast<std::byte*>(to), n});
    return static_cast<std::int64_t>(n);
  } catch (const std::exception& e) {
    file.folder->note_failure(e);
    return -1;
  }
}

std::int64_t DETENT_CALL InputFolder::write(const detent_file*, std::uint64_t, const void*,
                                            std::uint64_t) noexcept {
  return -1;  // it is there to be read
}

std::uint64_t DETENT_CALL InputFolder::size(const detent_file* c) noexcept {
  const auto& file = *static_cast<const OpenFile*>(c->ctx);
  try {
    return file.file.size();
  } catch (const std::exception& e) {
    file.folder->note_failure(e);
    return 0;
  }
}

}  // namespace detent
