// SPDX-License-Identifier: Apache-2.0
#include "conformance/guarded.hpp"

#include <algorithm>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace detent::conformance {
namespace {

constexpr std::byte kCanary{0xC5};

std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

Guarded::Guarded(std::uint64_t size, Flush flush, std::uint64_t skew) : size_(size) {
  const std::uint64_t page = page_size();
  const std::uint64_t inner = (size + skew + page) / page * page;
  pages_size_ = inner + 2 * page;
  void* const pages =
      ::mmap(nullptr, pages_size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  pages_ = static_cast<std::byte*>(pages);
  make_writable();
  data_ = flush == Flush::to_end ? pages_ + page + inner - size - skew : pages_ + page + skew;
  std::fill(pages_ + page, data_, kCanary);
  std::fill(data_ + size, pages_ + page + inner, kCanary);
}

Guarded::Guarded(Guarded&& other) noexcept
    : pages_(std::exchange(other.pages_, nullptr)),
      pages_size_(other.pages_size_),
      data_(other.data_),
      size_(other.size_) {}

Guarded::~Guarded() {
  if (pages_ != nullptr) ::munmap(pages_, pages_size_);
}

void Guarded::make_read_only() {
  ::mprotect(pages_ + page_size(), pages_size_ - 2 * page_size(), PROT_READ);
}

void Guarded::make_writable() {
  ::mprotect(pages_ + page_size(), pages_size_ - 2 * page_size(), PROT_READ | PROT_WRITE);
}

void Guarded::forbid() { ::mprotect(pages_, pages_size_, PROT_NONE); }

bool Guarded::canaries_intact() const {
  const auto is_canary = [](std::byte b) { return b == kCanary; };
  return std::all_of(pages_ + page_size(), data_, is_canary) &&
         std::all_of(data_ + size_, pages_ + pages_size_ - page_size(), is_canary);
}

}  // namespace detent::conformance
