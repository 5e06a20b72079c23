// SPDX-License-Identifier: Apache-2.0
// Library: a loaded plugin library that speaks our ABI. Once loaded it stays until the process
// ends.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <filesystem>
#include <memory>
#include <mutex>

#include "plugin/host.hpp"

namespace detent {

class ThreadPool;

// Unloading is not safe (threads, thread_local destructors and static objects of the library
// outlive it, or pin it silently), so the handle is kept on purpose.
//
// Calls   load start* (end of the object: deinit, when it was started)
class Library {
 public:
  // Loads the file, shakes hands, checks what the library says of itself. Descriptors are not read.
  // from: where its bytes are taken from, when that is not the path that it is known by.
  //
  // Errors  Error{plugin} with one reason that does not name the path
  static std::shared_ptr<const Library> load(const std::filesystem::path& path,
                                             std::shared_ptr<HostServices> services,
                                             const std::filesystem::path& from = {});
  // link: see Host.
  Library(const detent_library* library, std::filesystem::path path,
          std::shared_ptr<HostServices> services, const void* link = nullptr);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // init, once, before the first instance is made.
  //
  // Errors  Error{plugin} when it fails; the next call tries again
  void start(ThreadPool& pool) const;

  const detent_library& c() const { return *library_; }
  const detent_host* host() const { return host_.c(); }
  HostServices& services() const { return host_.services(); }
  const std::filesystem::path& path() const { return host_.library(); }

 private:
  const detent_library* library_;
  Host host_;
  mutable std::mutex mutex_;
  mutable bool started_ = false;
};

}  // namespace detent
