// SPDX-License-Identifier: Apache-2.0
// CallScope: the detent_call of one call into a plugin. invoke: that call, guarded, as an Error or
// not.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <detent/abi.h>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.hpp"
#include "plugin/host.hpp"

namespace detent {

// What a plugin may use during one call. Its text for fail() is kept up to 4 KiB; scratch memory is
// freed in the destructor.
class CallScope {
 public:
  CallScope(ThreadPool& pool, HostServices& services);
  ~CallScope();
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;

  const detent_call* c() const { return &call_; }
  const std::string& text() const { return text_; }  // of the last fail()
  bool threw_in_parallel_for() const { return threw_; }
  ThreadPool& pool() const { return pool_; }
  HostServices& services() const { return services_; }
  // How the plugin broke its contract, for who calls it elsewhere and was told.
  void note_broken(std::string what) { broken_ = std::move(what); }
  const std::string& broken() const { return broken_; }
  // The scope behind a detent_call of this host.
  static CallScope& of(const detent_call* call) { return *static_cast<CallScope*>(call->ctx); }

 private:
  struct Scratch {
    void* memory;
    std::uint64_t size;
  };
  static void DETENT_CALL fail(const detent_call*, std::int32_t, const char*,
                               std::uint64_t) noexcept;
  static std::int32_t DETENT_CALL cancelled(const detent_call*) noexcept;
  static void DETENT_CALL progress(const detent_call*, std::uint64_t, std::uint64_t) noexcept {}
  static void* DETENT_CALL scratch(const detent_call*, std::uint64_t, std::uint64_t) noexcept;
  static void DETENT_CALL parallel_for(const detent_call*, std::uint64_t,
                                       void(DETENT_CALL*)(void*, std::uint64_t), void*) noexcept;

  ThreadPool& pool_;
  HostServices& services_;
  detent_call call_{};
  std::string text_;
  std::vector<Scratch> scratch_;
  bool threw_ = false;
  std::string broken_;
};

// Who is called, and for what: everything a message needs.
struct PluginCall {
  std::string kind;  // "quantizer"
  std::string id;
  std::string target = {};  // may be empty
  enum class Target { file, tensor, layer } target_is = Target::file;
};

// The operation, and which of its refusals are the user's to mend: see instance.hpp.
struct Operation {
  const char* name;
  enum class Params { broken, bad_config, bad_fit } params = Params::broken;
  bool needs_data = false;   // NOT_READY is an answer
  bool reads_state = false;  // BAD_STATE is an answer
};

struct CallOutcome {
  std::int32_t status = DETENT_E_INTERNAL;
  std::string text;    // of fail()
  std::string broken;  // how it broke its contract; or empty
};

// Runs one call of that name, whatever it does.
CallOutcome attempt(const char* name, CallScope& scope,
                    const std::function<std::int32_t(const detent_call*)>& function);

// Runs one call. Returns when it gave DETENT_OK, left the floating-point mode alone and threw
// nothing.
//
// Errors  see instance.hpp
void invoke(const PluginCall& site, const Operation& operation, ThreadPool& pool,
            HostServices& services,
            const std::function<std::int32_t(const detent_call*)>& function);

// Error{quantization}: what it asks for, the host does not have.
[[noreturn]] void throw_refused(const PluginCall& site, const std::string& why);

// Error{plugin}: it did what the contract forbids.
[[noreturn]] void throw_broken_contract(const PluginCall& site, const std::string& what);

}  // namespace detent
