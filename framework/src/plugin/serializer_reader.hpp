// SPDX-License-Identifier: Apache-2.0
// SerializerReader: the reading side of a serializer, for files of a format that only it knows.
#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "plugin/instance.hpp"

namespace detent {

// Has it the functions that read?
bool can_read(const Plugin& serializer);

// Threads  one at a time
// Errors   those of instance.hpp; what it says of a file is checked: names, dtypes and shapes that
//          can be, each name once, not more than the file can hold, are Error{io} otherwise
class SerializerReader {
 public:
  SerializerReader(const Plugin& plugin, ThreadPool& pool, const InstanceConfig& config,
                   const std::filesystem::path& file);
  ~SerializerReader();
  SerializerReader(const SerializerReader&) = delete;
  SerializerReader& operator=(const SerializerReader&) = delete;

  const std::vector<PlannedTensor>& tensors() const;
  // key, JSON
  const std::vector<std::pair<std::string, std::string>>& metadata() const;
  // All bytes of tensors()[i].
  void read(std::size_t i, std::span<std::byte> out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detent
