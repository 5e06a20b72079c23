// SPDX-License-Identifier: Apache-2.0
// InputFolder: the detent_folder that a serializer reads from. Files below one folder, no others.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi.h>
#include <filesystem>
#include <string>

#include "base/file.hpp"

namespace detent {

// Threads  one at a time
class InputFolder {
 public:
  explicit InputFolder(std::filesystem::path root);
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;

  const detent_folder* c() const { return &folder_; }
  // The first thing that went wrong in a call of the plugin, with its path; empty when nothing did.
  const std::string& failure() const { return failure_; }

 private:
  struct OpenFile {
    std::string name;
    InputFolder* folder;
    File file;
    detent_file c;
  };
  static std::int32_t DETENT_CALL open(const detent_folder*, const char* relpath,
                                       const detent_file** out) noexcept;
  static std::uint64_t DETENT_CALL count(const detent_folder*) noexcept;
  static const char* DETENT_CALL name(const detent_folder*, std::uint64_t i) noexcept;
  static std::int64_t DETENT_CALL read(const detent_file*, std::uint64_t offset, void* to,
                                       std::uint64_t n) noexcept;
  static std::int64_t DETENT_CALL write(const detent_file*, std::uint64_t, const void*,
                                        std::uint64_t) noexcept;
  static std::uint64_t DETENT_CALL size(const detent_file*) noexcept;
  void note_failure(const std::exception& e) noexcept;

  std::filesystem::path root_;
  std::deque<OpenFile> files_;  // addresses stay
  std::string failure_;
  detent_folder folder_{};
};

}  // namespace detent
