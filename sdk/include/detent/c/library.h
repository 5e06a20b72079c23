/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/library.h - DETENT_C_LIBRARY(plugin): the one exported function of a library with one
 * plugin.
 *
 *   static const detent_plugin plugin = {...};
 *   DETENT_C_LIBRARY(plugin);
 */
#ifndef DETENT_C_LIBRARY_H
#define DETENT_C_LIBRARY_H
#include "../abi.h"

#if defined(__VERSION__)
#define DETENT_C_BUILD "C " __VERSION__
#else
#define DETENT_C_BUILD "C"
#endif

/* At file scope of one source file. A library of several plugins writes out what stands here. */
#define DETENT_C_LIBRARY(plugin)                                                            \
  static int32_t DETENT_CALL detent_c_init(const detent_host* host, const detent_call* c) { \
    (void)host;                                                                             \
    (void)c;                                                                                \
    return DETENT_OK;                                                                       \
  }                                                                                         \
  static void DETENT_CALL detent_c_deinit(void) {}                                          \
  static uint64_t DETENT_CALL detent_c_count(void) { return 1; }                            \
  static const detent_plugin* DETENT_CALL detent_c_at(uint64_t i) {                         \
    return i == 0 ? &(plugin) : NULL;                                                       \
  }                                                                                         \
  DETENT_EXPORT const detent_library* DETENT_CALL detent_entry(uint32_t abi_major) {        \
    static const detent_library library = {DETENT_MAGIC,                                    \
                                           DETENT_ABI_MAJOR,                                \
                                           DETENT_ABI_MINOR,                                \
                                           DETENT_ABI_MINOR,                                \
                                           sizeof(detent_library),                          \
                                           DETENT_C_BUILD,                                  \
                                           detent_c_init,                                   \
                                           detent_c_deinit,                                 \
                                           detent_c_count,                                  \
                                           detent_c_at,                                     \
                                           NULL};                                           \
    return abi_major == DETENT_ABI_MAJOR ? &library : NULL;                                 \
  }                                                                                         \
  DETENT_STATIC_ASSERT(1, "DETENT_C_LIBRARY is followed by a semicolon")

#endif
