// SPDX-License-Identifier: Apache-2.0
#include "plugin/host.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxLogLines = 1000;
constexpr std::uint64_t kMaxLineBytes = 2000;
constexpr std::uint64_t kMaxAlign = 1U << 21;  // a huge page

const Host& host_of(const detent_host* host) { return *static_cast<const Host*>(host->host_data); }

void DETENT_CALL log_line(const detent_host* host, std::int32_t level, const char* utf8,
                          std::uint64_t length) noexcept {
  if (utf8 == nullptr) return;
  try {
    const Host& self = host_of(host);
    const std::string_view text(utf8, std::min(length, kMaxLineBytes));
    self.services().log(
        {std::clamp(level, DETENT_LOG_DEBUG, DETENT_LOG_ERROR), self.library(), printable(text)});
  } catch (...) {
    // No memory for a log line: it is lost, the run goes on.
  }
}

void* DETENT_CALL allocate(const detent_host* host, std::uint64_t size,
                           std::uint64_t align) noexcept {
  return host_of(host).services().allocate(size, align);
}

void DETENT_CALL release(const detent_host* host, void* memory, std::uint64_t size,
                         std::uint64_t) noexcept {
  host_of(host).services().release(memory, size);
}

const void* DETENT_CALL no_extension(const detent_host*, const char*) noexcept { return nullptr; }

}  // namespace

void* allocate_aligned(std::uint64_t size, std::uint64_t align) noexcept {
  if (!std::has_single_bit(align) || align > kMaxAlign) return nullptr;
  const std::uint64_t real_align = std::max<std::uint64_t>(align, sizeof(void*));
  if (size > static_cast<std::uint64_t>(PTRDIFF_MAX) - real_align) return nullptr;
  void* memory = nullptr;
  const int result = ::posix_memalign(&memory, real_align, std::max<std::uint64_t>(size, 1));
  return result == 0 ? memory : nullptr;
}

void HostServices::log(PluginLogLine line) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() < kMaxLogLines) {
    lines_.push_back(std::move(line));
  } else {
    ++dropped_;
  }
}

std::vector<PluginLogLine> HostServices::take_log() {
  const std::lock_guard lock(mutex_);
  return std::exchange(lines_, {});
}

std::uint64_t HostServices::dropped_log_lines() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void* HostServices::allocate(std::uint64_t size, std::uint64_t align) noexcept {
  const std::uint64_t limit = limit_.load();
  std::uint64_t used = in_use_.load();
  do {
    if (size > limit || used > limit - size) return nullptr;
  } while (!in_use_.compare_exchange_weak(used, used + size));
  void* memory = allocate_aligned(size, align);
  if (memory == nullptr) in_use_ -= size;
  return memory;
}

void HostServices::release(void* memory, std::uint64_t size) noexcept {
  if (memory == nullptr) return;
  std::free(memory);
  in_use_ -= size;
}

Host::Host(std::shared_ptr<HostServices> services, std::filesystem::path library, const void* link)
    : services_(std::move(services)), library_(std::move(library)), link_(link) {
  host_ = {sizeof host_, DETENT_ABI_MAJOR, DETENT_ABI_MINOR, "detent", DETENT_VERSION,
           this,         log_line,         allocate,         release,  no_extension};
}

}  // namespace detent
