// SPDX-License-Identifier: Apache-2.0
// Host: the detent_host of one library. HostServices: what all hosts of a registry share.
#pragma once
#include <atomic>
#include <cstdint>
#include <detent/abi.h>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace detent {

struct PluginLogLine {
  int level = DETENT_LOG_INFO;  // DETENT_LOG_
  std::filesystem::path library;
  std::string text;
};

// Threads  any
class HostServices {
 public:
  // Keeps the first lines up to a limit and counts the rest: a plugin may log in a loop.
  void log(PluginLogLine line);
  // What came since the last call, in order.
  std::vector<PluginLogLine> take_log();
  std::uint64_t dropped_log_lines() const;

  // Memory that plugins keep, in bytes. Over the limit they get none.
  void set_memory_limit(std::uint64_t bytes) { limit_ = bytes; }
  std::uint64_t memory_in_use() const { return in_use_; }
  void* allocate(std::uint64_t size, std::uint64_t align) noexcept;  // nullptr when it cannot
  void release(void* memory, std::uint64_t size) noexcept;

 private:
  mutable std::mutex mutex_;  // of the log
  std::vector<PluginLogLine> lines_;
  std::uint64_t dropped_ = 0;
  std::atomic<std::uint64_t> limit_{UINT64_MAX};
  std::atomic<std::uint64_t> in_use_{0};
};

class Host {
 public:
  // link: where the code of the library really is, for who calls it elsewhere; else nullptr.
  Host(std::shared_ptr<HostServices> services, std::filesystem::path library,
       const void* link = nullptr);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const detent_host* c() const { return &host_; }
  HostServices& services() const { return *services_; }
  const std::filesystem::path& library() const { return library_; }
  const void* link() const { return link_; }

 private:
  std::shared_ptr<HostServices> services_;
  std::filesystem::path library_;
  const void* link_;
  detent_host host_{};
};

// Memory aligned to `align`, a power of two; nullptr when it is none or there is no memory.
void* allocate_aligned(std::uint64_t size, std::uint64_t align) noexcept;

}  // namespace detent
