// SPDX-License-Identifier: Apache-2.0
#include "plugin/call_scope.hpp"

#include <algorithm>
#include <atomic>

#include "base/cancel.hpp"

namespace detent {
namespace {

constexpr std::uint64_t kMaxTextBytes = 4096;

}  // namespace

CallScope::CallScope(ThreadPool& pool, HostServices& services) : pool_(pool), services_(services) {
  call_ = {sizeof call_, this, fail, cancelled, progress, scratch, parallel_for};
}

CallScope::~CallScope() {
  for (const Scratch& s : scratch_) services_.release(s.memory, s.size);
}

void CallScope::fail(const detent_call* call, std::int32_t, const char* utf8,
                     std::uint64_t length) noexcept {
  if (utf8 == nullptr) return;
  try {
    of(call).text_.assign(utf8, std::min(length, kMaxTextBytes));
  } catch (...) {
    // No memory for the text: the status still says what went wrong.
  }
}

std::int32_t CallScope::cancelled(const detent_call*) noexcept { return cancelled_by() != 0; }

void* CallScope::scratch(const detent_call* call, std::uint64_t size,
                         std::uint64_t align) noexcept {
  CallScope& scope = of(call);
  try {
    scope.scratch_.push_back({nullptr, size});
  } catch (...) {
    return nullptr;
  }
  return scope.scratch_.back().memory = scope.services_.allocate(size, align);
}

void CallScope::parallel_for(const detent_call* call, std::uint64_t n,
                             void(DETENT_CALL* fn)(void*, std::uint64_t), void* arg) noexcept {
  CallScope& scope = of(call);
  if (fn == nullptr) return;
  try {
    scope.pool_.parallel_for(n, [fn, arg](std::uint64_t i) { fn(arg, i); });
  } catch (...) {
    // Not through the plugin's frames, which may be C: invoke reports it after the call.
    scope.threw_ = true;
  }
}

}  // namespace detent
