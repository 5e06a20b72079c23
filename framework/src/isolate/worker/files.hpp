// SPDX-License-Identifier: Apache-2.0
// Folder: the output folder of a serializer, whose files the host has.
#pragma once
#include <cstdint>
#include <deque>
#include <detent/abi.h>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "isolate/protocol.hpp"
#include "isolate/worker/results.hpp"

namespace detent::isolate {

// Every function asks the host, and fails when no call of the host is under way.
class Folder {
 public:
  // ask(question): the host's answer; throws when it has none.
  using Ask = std::function<std::string(std::string_view)>;
  explicit Folder(Ask ask);
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const detent_folder* c() const { return &folder_; }
  // During a call: where data pass through.
  void lend(Results* results);

 private:
  struct File {
    Folder* folder;
    std::uint64_t number;
    detent_file c{};
  };
  static std::int32_t DETENT_CALL open(const detent_folder*, const char*,
                                       const detent_file**) noexcept;
  static std::uint64_t DETENT_CALL count(const detent_folder*) noexcept;
  static const char* DETENT_CALL name(const detent_folder*, std::uint64_t) noexcept;
  static std::int64_t DETENT_CALL read(const detent_file*, std::uint64_t, void*,
                                       std::uint64_t) noexcept;
  static std::int64_t DETENT_CALL write(const detent_file*, std::uint64_t, const void*,
                                        std::uint64_t) noexcept;
  static std::uint64_t DETENT_CALL size(const detent_file*) noexcept;

  const detent_file* file(std::uint64_t number);
  std::int64_t transfer(Word word, const File& file, std::uint64_t offset, std::uint64_t n);
  const std::byte* window();

  Ask ask_;
  Results* results_ = nullptr;
  Results::Place window_;
  std::deque<File> files_;
  std::map<std::uint64_t, std::string> names_;
  detent_folder folder_{};
};

}  // namespace detent::isolate
