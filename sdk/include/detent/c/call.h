/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/call.h - errors with a text, cancelling, parameters.
 */
#ifndef DETENT_C_CALL_H
#define DETENT_C_CALL_H
#include <stdarg.h>
#include <stdio.h>

#include "../abi/base.h"

#if defined(__GNUC__)
#define DETENT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define DETENT_PRINTF(text, first)
#endif

DETENT_BEGIN_C

/* Hands the host a text and gives back the code:
 *   return detent_fail(call, DETENT_E_PARAMS, "bits is %d\nuse 2 to 8", bits);
 * A text longer than 511 bytes is cut. */
DETENT_PRINTF(3, 4)
static inline int32_t detent_fail(const detent_call* call, int32_t code, const char* format, ...) {
  char text[512];
  int length;
  va_list arguments;
  va_start(arguments, format);
  length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof text - 1) length = (int)sizeof text - 1;
  if (length > 0 && DETENT_HAS(call, detent_call, fail))
    call->fail(call, code, text, (uint64_t)length);
  return code;
}

/* Ask at least every 50 ms; when true, clean up and return DETENT_E_CANCELLED. */
static inline int detent_is_cancelled(const detent_call* call) {
  return DETENT_HAS(call, detent_call, cancelled) && call->cancelled(call) != 0;
}

/* Parameters, checked by the host against the plugin's schema before create. at is a JSON Pointer.
 */
static inline double detent_param_f64(const detent_config* config, const char* at,
                                      double fallback) {
  double value = fallback;
  return config->params->get_f64(config->params, at, &value) == DETENT_OK ? value : fallback;
}
static inline int64_t detent_param_i64(const detent_config* config, const char* at,
                                       int64_t fallback) {
  int64_t value = fallback;
  return config->params->get_i64(config->params, at, &value) == DETENT_OK ? value : fallback;
}
static inline int detent_param_bool(const detent_config* config, const char* at, int fallback) {
  uint32_t value = 0;
  if (config->params->get_bool(config->params, at, &value) != DETENT_OK) return fallback;
  return value != 0;
}

DETENT_END_C
#endif
