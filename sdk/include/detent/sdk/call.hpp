// SPDX-License-Identifier: Apache-2.0
// Call: what the host lends for the length of one call. Params, Config: what create is given.
#pragma once
#include "tensor_view.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

class Call {
 public:
  explicit Call(const detent_call* call) noexcept : call_(call) {}

  // Ask at least every 50 ms; when true, clean up and return DETENT_E_CANCELLED.
  bool cancelled() const noexcept {
    return DETENT_HAS(call_, detent_call, cancelled) && call_->cancelled(call_) != 0;
  }
  void progress(uint64_t done, uint64_t total) const noexcept {
    if (DETENT_HAS(call_, detent_call, progress)) call_->progress(call_, done, total);
  }
  // Memory which the host takes back when the call returns; nullptr when over its budget.
  void* scratch(uint64_t size, uint64_t align = 64) const noexcept {
    return DETENT_HAS(call_, detent_call, scratch) ? call_->scratch(call_, size, align) : nullptr;
  }
  // f(i) for i in [0, n), each once, in any order, on any thread. f must not throw, and n must not
  // depend on the number of threads. Not reentrant.
  template <class F>
  void parallel_for(uint64_t n, F&& f) const noexcept {
    if (DETENT_HAS(call_, detent_call, parallel_for)) {
      call_->parallel_for(
          call_, n, [](void* arg, uint64_t i) { (*static_cast<std::remove_reference_t<F>*>(arg))(i); },
          const_cast<void*>(static_cast<const void*>(&f)));
    } else {
      for (uint64_t i = 0; i < n; ++i) f(i);
    }
  }
  const detent_call* raw() const noexcept { return call_; }

 private:
  const detent_call* call_;
};

// Parameters, checked by the host against the plugin's schema before create. `at` is a JSON Pointer.
class Params {
 public:
  explicit Params(const detent_params* params) noexcept : p_(params) {}

  // Was it given, or filled in by the schema? Of any type.
  bool has(const char* at) const noexcept {
    uint32_t v = 0;
    return p_->get_bool(p_, at, &v) != DETENT_E_NOT_FOUND;
  }
  bool get(const char* at, bool fallback) const noexcept {
    uint32_t v = 0;
    return p_->get_bool(p_, at, &v) == DETENT_OK ? v != 0 : fallback;
  }
  double get(const char* at, double fallback) const noexcept {
    double v = 0;
    return p_->get_f64(p_, at, &v) == DETENT_OK ? v : fallback;
  }
  int64_t get(const char* at, int64_t fallback) const noexcept {
    int64_t v = 0;
    return p_->get_i64(p_, at, &v) == DETENT_OK ? v : fallback;
  }
  std::string get(const char* at, const char* fallback) const {
    const char* s = nullptr;
    uint64_t n = 0;
    return p_->get_str(p_, at, &s, &n) == DETENT_OK ? std::string(s, n) : std::string(fallback);
  }
  uint64_t array_size(const char* at) const noexcept {
    uint64_t n = 0;
    return p_->array_size(p_, at, &n) == DETENT_OK ? n : 0;
  }

 private:
  const detent_params* p_;
};

struct Config {
  Params params;
  std::string_view params_json;
  std::string_view target;     // "encoder.0.query.weight"; may be empty
  const detent_qspec* qspec;   // observers: the target; otherwise nullptr
  uint32_t role;               // DETENT_ROLE_
};

namespace detail {
inline Config read_config(const detent_config& c) noexcept {
  const bool has_role = c.struct_size >= DETENT_SIZE_UPTO(detent_config, role);
  return {Params(c.params), std::string_view(c.params_json, c.params_len),
          c.target != nullptr ? c.target : "", c.qspec, has_role ? c.role : DETENT_ROLE_NONE};
}

// Makes a T from (const Config&) behind the opaque pointer: the C++ object is the handle itself.
template <class T, class Handle>
int32_t create(const detent_call* call, const detent_config* config, Handle** out) noexcept {
  (void)call;
  DETENT_TRY {
    T* made = new (std::nothrow) T(read_config(*config));
    if (made == nullptr) return DETENT_E_NO_MEMORY;
    *out = reinterpret_cast<Handle*>(made);
    return DETENT_OK;
  }
  DETENT_CATCH_ALL(call)
}
}  // namespace detail

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
