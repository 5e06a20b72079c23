// SPDX-License-Identifier: Apache-2.0
#include "conformance/world.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "plugin/host.hpp"

namespace detent::conformance {

// The C functions behind detent_host and detent_call.
struct Services {
  static World& of(const detent_host* h) { return *static_cast<World*>(h->host_data); }
  static World& of(const detent_call* c) { return *static_cast<World*>(c->ctx); }

  static void DETENT_CALL log(const detent_host*, std::int32_t, const char*,
                              std::uint64_t) noexcept {}
  static void* DETENT_CALL alloc(const detent_host* h, std::uint64_t n, std::uint64_t a) noexcept {
    return of(h).allocate_or_null(n, a, false);
  }
  static void DETENT_CALL free(const detent_host* h, void* p, std::uint64_t n,
                               std::uint64_t a) noexcept {
    of(h).release(p, n, a);
  }
  static const void* DETENT_CALL extension(const detent_host*, const char*) noexcept {
    return nullptr;
  }
  static void DETENT_CALL fail(const detent_call* c, std::int32_t, const char* text,
                               std::uint64_t n) noexcept {
    World& world = of(c);
    const std::lock_guard lock(world.mutex_);
    world.text_.assign(text != nullptr ? text : "", text != nullptr ? n : 0);
    for (std::size_t at = 0; (at = world.text_.find('\n', at)) != std::string::npos;)
      world.text_.replace(at, 1, "; ");  // the second line says what to do
  }
  static std::int32_t DETENT_CALL cancelled(const detent_call* c) noexcept {
    World& world = of(c);
    return world.asks_++ >= world.wishes_.cancel_at ? 1 : 0;
  }
  static void DETENT_CALL progress(const detent_call*, std::uint64_t, std::uint64_t) noexcept {}
  static void* DETENT_CALL scratch(const detent_call* c, std::uint64_t n,
                                   std::uint64_t a) noexcept {
    return of(c).allocate_or_null(n, a, true);
  }
  static void DETENT_CALL parallel_for(const detent_call* c, std::uint64_t n,
                                       void(DETENT_CALL* fn)(void*, std::uint64_t),
                                       void* arg) noexcept {
    of(c).run_parallel(n, fn, arg);
  }
};

namespace {

constexpr std::array kNames = {
    "DETENT_OK",          "DETENT_E_INTERNAL",  "DETENT_E_INVALID_ARG", "DETENT_E_UNSUPPORTED",
    "DETENT_E_PARAMS",    "DETENT_E_NO_MEMORY", "DETENT_E_CANCELLED",   "DETENT_E_BAD_STATE",
    "DETENT_E_NOT_READY", "DETENT_E_IO",        "DETENT_E_NUMERIC",     "DETENT_E_NOT_FOUND"};

detent_host make_host(World* world) {
  return {sizeof(detent_host), DETENT_ABI_MAJOR, DETENT_ABI_MINOR,
          "detent-check",      DETENT_VERSION,   world,
          &Services::log,      &Services::alloc, &Services::free,
          &Services::extension};
}

detent_call make_call(World* world) {
  return {sizeof(detent_call),    world,
          &Services::fail,        &Services::cancelled,
          &Services::progress,    &Services::scratch,
          &Services::parallel_for};
}

}  // namespace

bool is_status(std::int32_t status) {
  return status >= 0 && static_cast<std::size_t>(status) < kNames.size();
}

std::string status_name(std::int32_t status) {
  if (is_status(status)) return kNames[static_cast<std::size_t>(status)];
  return fmt::format("{}, which is no status", status);
}

World::World(Wishes wishes)
    : wishes_(wishes),
      host_(make_host(this), wishes.minor, DETENT_SIZE_UPTO(detent_host, host_data)) {}

World::~World() {
  for (const auto& [memory, block] : blocks_) std::free(memory);
}

void World::note(std::string what) {
  if (misuse_.empty()) misuse_ = std::move(what);
}

void* World::allocate(std::uint64_t size, std::uint64_t align, bool scratch) {
  const std::lock_guard lock(mutex_);
  if (wishes_.memory_left-- <= 0) {
    wishes_.memory_left = 0;
    return nullptr;
  }
  void* memory = allocate_aligned(size, align);
  if (memory == nullptr) return nullptr;
  std::fill_n(static_cast<std::byte*>(memory), size, kPoison);
  blocks_[memory] = {size, align, scratch};
  in_use_ += size;
  peak_ = std::max(peak_, in_use_);
  return memory;
}

void* World::allocate_or_null(std::uint64_t size, std::uint64_t align, bool scratch) noexcept {
  try {
    return allocate(size, align, scratch);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void World::release(void* p, std::uint64_t size, std::uint64_t align) {
  const std::lock_guard lock(mutex_);
  if (p == nullptr) return;
  const auto found = blocks_.find(p);
  if (found == blocks_.end() || found->second.scratch) return note("free of what is not its own");
  if (found->second.size != size || found->second.align != align)
    note("free with another size or alignment than alloc had");
  in_use_ -= found->second.size;
  blocks_.erase(found);
  std::free(p);
}

void World::run_parallel(std::uint64_t n, void (*fn)(void*, std::uint64_t), void* arg) {
  if (in_parallel_.exchange(true)) {
    const std::lock_guard lock(mutex_);
    return note("parallel_for was called from within parallel_for");
  }
  const auto guarded = [&](std::uint64_t i) {
    try {
      fn(arg, i);
    } catch (...) {
      threw_in_parallel_ = true;
    }
  };
  if (wishes_.order == Order::forward)
    for (std::uint64_t i = 0; i < n; ++i) guarded(i);
  if (wishes_.order == Order::reversed)
    for (std::uint64_t i = n; i-- > 0;) guarded(i);
  if (wishes_.order == Order::threads) {
    constexpr std::uint64_t kThreads = 4;
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t i = t; i < n; i += kThreads) guarded(i);
      });
    for (std::thread& t : threads) t.join();
  }
  in_parallel_ = false;
}

void World::end_call() {
  for (auto it = blocks_.begin(); it != blocks_.end();) {
    if (!it->second.scratch) {
      ++it;
      continue;
    }
    in_use_ -= it->second.size;
    std::free(it->first);
    it = blocks_.erase(it);
  }
}

std::int32_t World::call(const char* name,
                         const std::function<std::int32_t(const detent_call*)>& f) {
  text_.clear();
  const Lent<detent_call> c(make_call(this), wishes_.minor, DETENT_SIZE_UPTO(detent_call, fail));
  const char* const hint =
      "catch everything before a function of the table returns, and return a DETENT_E_ code";
  std::int32_t status = DETENT_OK;
  try {
    status = f(c.c());
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& e) {
    throw Failure{fmt::format("{} threw across the boundary: {}", name, printable(e.what())), hint};
  } catch (...) {
    throw Failure{fmt::format("{} threw across the boundary", name), hint};
  }
  end_call();
  if (threw_in_parallel_) throw Failure{fmt::format("{} threw within parallel_for", name), hint};
  if (!misuse_.empty()) fail("{} misused the host: {}", name, misuse_);
  return status;
}

void World::must(const char* name, const std::function<std::int32_t(const detent_call*)>& f) {
  const std::int32_t status = call(name, f);
  if (status != DETENT_OK)
    fail("{} was to succeed; it returned {}{}{}", name, status_name(status),
         text_.empty() ? " without a text" : ": ", printable(text_));
}

}  // namespace detent::conformance
