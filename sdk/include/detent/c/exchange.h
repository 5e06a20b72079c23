/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/exchange.h - tensors into a sink and out of a source; all of a stream, all of a file's
 * range.
 */
#ifndef DETENT_C_EXCHANGE_H
#define DETENT_C_EXCHANGE_H
#include "elements.h"
DETENT_BEGIN_C

/* Zeroed, compact room for a result, valid until the call into the plugin returns. *data is NULL
 * for a tensor without elements. */
static inline int32_t detent_create(const detent_tensor_sink* sink, const char* name,
                                    detent_dtype dtype, int32_t ndim, const int64_t* shape,
                                    void** data) {
  const detent_tensor_spec spec = {name, ndim != 0 ? shape : NULL, ndim, dtype};
  detent_tensor made;
  int32_t status;
  memset(&made, 0, sizeof made);
  status = sink->create(sink, &spec, &made);
  *data = status == DETENT_OK ? made.data : NULL;
  return status;
}

/* The elements of a tensor that is there, of that dtype, contiguous, with exactly n of them; NULL
 * otherwise, and when n is 0. */
static inline const void* detent_get(const detent_tensor_source* source, const char* name,
                                     detent_dtype dtype, int64_t n) {
  const detent_tensor* t = source != NULL ? source->get(source, name) : NULL;
  if (t == NULL || t->dtype != dtype || n == 0) return NULL;
  return detent_numel(t) == n && detent_is_contiguous(t) ? detent_bytes(t) : NULL;
}

/* All n bytes: 1. The host could not: 0. */
static inline int detent_write(const detent_ostream* out, const void* data, uint64_t n) {
  const char* at = (const char*)data;
  while (n != 0) {
    const int64_t taken = out->write(out, at, n);
    if (taken <= 0 || (uint64_t)taken > n) return 0;
    at += taken;
    n -= (uint64_t)taken;
  }
  return 1;
}
/* A state's stream; its bytes are untrusted: check each value that is used as a size. */
typedef struct detent_reader {
  const detent_istream* stream;
  int failed; /* the stream itself, not for want of bytes: DETENT_E_IO, not DETENT_E_BAD_STATE */
} detent_reader;

/* 0 when the stream ends before, or failed. */
static inline int detent_read(detent_reader* in, void* data, uint64_t n) {
  char* at = (char*)data;
  while (n != 0) {
    const int64_t got = in->stream->read(in->stream, at, n);
    in->failed = in->failed || got < 0;
    if (got <= 0 || (uint64_t)got > n) return 0;
    at += got;
    n -= (uint64_t)got;
  }
  return 1;
}
static inline int detent_at_end(detent_reader* in) {
  char c;
  const int64_t got = in->stream->read(in->stream, &c, 1);
  in->failed = in->failed || got < 0;
  return got == 0;
}

DETENT_END_C
#endif
