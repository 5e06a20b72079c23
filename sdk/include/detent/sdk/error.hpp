// SPDX-License-Identifier: Apache-2.0
// Errors of a plugin: a Status is returned, an Error is thrown; neither crosses the boundary.
#pragma once
#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "../abi.h"

// Everything of the C++ layer is compiled into the plugin and hidden: two plugins built against
// different releases of it live in one process. Hence the rules for these files: no static data in
// inline functions or templates (STB_GNU_UNIQUE merges it across plugins and pins the library), no
// thread_local, no global constructor. Works with -fno-exceptions and -fno-rtti.
#if defined(__GNUC__)
#define DETENT_HIDDEN __attribute__((visibility("hidden")))
#else
#define DETENT_HIDDEN
#endif

#if defined(__cpp_exceptions)
#define DETENT_TRY try
#define DETENT_CATCH_ALL(c)                                                      \
  catch (const ::detent::sdk::Error& e) {                                        \
    return ::detent::sdk::detail::fail(c, e.code(), e.what());                   \
  }                                                                              \
  catch (const std::bad_alloc&) { return DETENT_E_NO_MEMORY; }                   \
  catch (const std::exception& e) {                                              \
    return ::detent::sdk::detail::fail(c, DETENT_E_INTERNAL, e.what());          \
  }                                                                              \
  catch (...) {                                                                  \
    return ::detent::sdk::detail::fail(c, DETENT_E_INTERNAL, "unknown exception"); \
  }
#else
#define DETENT_TRY
#define DETENT_CATCH_ALL(c)
#endif

namespace detent {
namespace sdk DETENT_HIDDEN {

// What a method returns when it does not throw (the only way with -fno-exceptions). The first line
// of the message says what is wrong, a second one (if any) what to do.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(int32_t code, std::string message = {}) : code_(code), message_(std::move(message)) {}
  bool ok() const noexcept { return code_ == DETENT_OK; }
  int32_t code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

 private:
  int32_t code_ = DETENT_OK;
  std::string message_;
};

#if defined(__cpp_exceptions)
// Throw this, or anything: the wrapper turns it into a status.
class Error : public std::exception {
 public:
  Error(int32_t code, std::string message) : code_(code), message_(std::move(message)) {}
  int32_t code() const noexcept { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int32_t code_;
  std::string message_;
};
#endif

namespace detail {
inline int32_t fail(const detent_call* call, int32_t code, std::string_view message) noexcept {
  if (DETENT_HAS(call, detent_call, fail) && !message.empty())
    call->fail(call, code, message.data(), message.size());
  return code;
}
inline int32_t finish(const detent_call* call, const Status& status) noexcept {
  return status.ok() ? DETENT_OK : fail(call, status.code(), status.message());
}
}  // namespace detail

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
