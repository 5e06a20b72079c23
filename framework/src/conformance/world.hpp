// SPDX-License-Identifier: Apache-2.0
// World: the host that a plugin under test sees. Obliging by default; each wish makes it harder.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <detent/abi.h>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace detent::conformance {

// How parallel_for goes about its work.
enum class Order { forward, reversed, threads };

// How much of each struct the host fills in: what it was compiled with.
enum class Minor { same, older, newer };

struct Wishes {
  Order order = Order::forward;
  Minor minor = Minor::same;
  std::int64_t cancel_at = INT64_MAX;    // the ask from which on the answer is yes; 0 is the first
  std::int64_t memory_left = INT64_MAX;  // requests of host.alloc and scratch that are granted
};

inline constexpr std::byte kPoison{0xEE};

// A struct of the ABI with room behind it. older: what the older minor does not know is poison that
// crashes whoever follows it. newer: there are more fields than this plugin has heard of.
template <class T>
class Lent {
 public:
  Lent(T value, Minor minor, std::uint64_t older_size) {
    const std::uint64_t known = minor == Minor::older ? older_size : sizeof(T);
    value.struct_size = minor == Minor::newer ? sizeof bytes_ : known;
    for (std::byte& b : bytes_) b = kPoison;
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    for (std::uint64_t i = 0; i < known; ++i) bytes_[i] = from[i];
  }
  const T* c() const { return reinterpret_cast<const T*>(bytes_); }
  T* c() { return reinterpret_cast<T*>(bytes_); }

 private:
  alignas(T) std::byte bytes_[sizeof(T) + 64];
};

// Threads  one at a time; what the plugin may call from any thread, it may call from any
class World {
 public:
  explicit World(Wishes wishes = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const detent_host* host() const { return host_.c(); }
  Minor minor() const { return wishes_.minor; }
  void set_cancel_at(std::int64_t ask) { wishes_.cancel_at = ask, asks_ = 0; }

  // One call into the plugin with a detent_call of its own. Returns what the plugin returned.
  //
  // Errors  Failure when something was thrown across the boundary, or when parallel_for was entered
  //         from within parallel_for
  std::int32_t call(const char* name, const std::function<std::int32_t(const detent_call*)>& f);
  // The same, where nothing but DETENT_OK will do; the failure quotes the plugin's text.
  void must(const char* name, const std::function<std::int32_t(const detent_call*)>& f);

  const std::string& text() const { return text_; }   // of the last call's last fail()
  std::int64_t asks() const { return asks_; }         // for cancellation, of all calls
  std::uint64_t peak_bytes() const { return peak_; }  // of alloc and scratch together
  std::uint64_t kept_bytes() const { return in_use_; }
  const std::string& misuse() const { return misuse_; }  // of the host's services; or empty

 private:
  struct Block {
    std::uint64_t size;
    std::uint64_t align;
    bool scratch;
  };
  void* allocate(std::uint64_t size, std::uint64_t align, bool scratch);
  void* allocate_or_null(std::uint64_t size, std::uint64_t align, bool scratch) noexcept;
  void release(void* p, std::uint64_t size, std::uint64_t align);
  void run_parallel(std::uint64_t n, void (*fn)(void*, std::uint64_t), void* arg);
  void end_call();
  void note(std::string what);

  Wishes wishes_;
  Lent<detent_host> host_;
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
  std::uint64_t in_use_ = 0;
  std::uint64_t peak_ = 0;
  std::atomic<std::int64_t> asks_{0};
  std::atomic<bool> in_parallel_{false};
  bool threw_in_parallel_ = false;
  std::string text_;
  std::string misuse_;

  friend struct Services;
};

// "DETENT_E_UNSUPPORTED", or "5000, which is no status".
std::string status_name(std::int32_t status);
bool is_status(std::int32_t status);  // one that a plugin may return

}  // namespace detent::conformance
