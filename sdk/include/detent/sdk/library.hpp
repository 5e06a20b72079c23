// SPDX-License-Identifier: Apache-2.0
// DETENT_LIBRARY(Plugin, ...): the descriptors and the one exported function of a plugin library.
#pragma once
#include "plugin_info.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace detail {

template <class T>
constexpr detent_plugin describe() noexcept {
  using Thunks = typename thunks_of<T>::type;
  return {sizeof(detent_plugin), Thunks::kind,  T::state_version, T::flags,        T::id,
          T::version,            T::name,       T::description,   T::vendor,       T::license,
          T::schema,             T::aliases,    T::provides,      T::requirements, T::capabilities,
          &Thunks::vtbl};
}

template <class... Plugins>
struct Library {
  static constexpr detent_plugin plugins[] = {describe<Plugins>()...};

  static int32_t DETENT_CALL init(const detent_host*, const detent_call*) noexcept {
    return DETENT_OK;
  }
  static void DETENT_CALL deinit() noexcept {}
  static uint64_t DETENT_CALL count() noexcept { return sizeof...(Plugins); }
  static const detent_plugin* DETENT_CALL at(uint64_t i) noexcept {
    return i < sizeof...(Plugins) ? &plugins[i] : nullptr;
  }
};

}  // namespace detail
}  // namespace sdk DETENT_HIDDEN
}  // namespace detent

#if defined(__VERSION__)
#define DETENT_BUILD_STRING "C++ " __VERSION__
#else
#define DETENT_BUILD_STRING "C++"
#endif

// In one source file of the library, outside any namespace.
#define DETENT_LIBRARY(...)                                                                      \
  extern "C" DETENT_EXPORT const detent_library* DETENT_CALL detent_entry(uint32_t abi_major) {  \
    using Lib = ::detent::sdk::detail::Library<__VA_ARGS__>;                                     \
    static constexpr detent_library library = {                                                  \
        DETENT_MAGIC,       DETENT_ABI_MAJOR, DETENT_ABI_MINOR, DETENT_ABI_MIN_MINOR,            \
        sizeof(detent_library), DETENT_BUILD_STRING, &Lib::init, &Lib::deinit,                   \
        &Lib::count,        &Lib::at,         nullptr};                                          \
    return abi_major == DETENT_ABI_MAJOR ? &library : nullptr;                                   \
  }                                                                                              \
  static_assert(true, "DETENT_LIBRARY is followed by a semicolon")
