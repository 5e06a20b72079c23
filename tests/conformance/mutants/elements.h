/* SPDX-License-Identifier: Apache-2.0
 * Reading elements of views, and shapes of scales. */
#ifndef ELEMENTS_H
#define ELEMENTS_H
#include <math.h>

#include "faults.h"

static inline double from_half(uint16_t h) {
  const int exponent = (h >> 10) & 31;
  const double fraction = h & 1023;
  double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31) value = fraction == 0 ? INFINITY : NAN;
  return (h & 0x8000) != 0 ? -value : value;
}

/* NAN for a dtype without a size here; see is_readable. */
static inline double element(const detent_tensor* x, const char* at) {
  float f;
  double d;
  uint16_t h;
  uint32_t bits;
  switch (x->dtype) {
    case DETENT_F32:
      if (IS(ALIGNED_ONLY) && (uintptr_t)at % 4 != 0) return 0;
      memcpy(&f, at, 4);
      return f;
    case DETENT_F64: memcpy(&d, at, 8); return d;
    case DETENT_F16: memcpy(&h, at, 2); return from_half(h);
    default:
      memcpy(&h, at, 2);
      bits = (uint32_t)h << 16;
      memcpy(&f, &bits, 4);
      return f;
  }
}

static inline int is_readable(const detent_tensor* x) {
  return x->dtype == DETENT_F32 || x->dtype == DETENT_F64 || x->dtype == DETENT_F16 ||
         x->dtype == DETENT_BF16;
}

static inline uint64_t count_of(const detent_tensor* x) {
  uint64_t n = 1;
  for (int32_t d = 0; d < x->ndim; ++d) n *= (uint64_t)x->shape[d];
  return n;
}

/* The address of element i in row-major order. */
static inline const char* address(const detent_tensor* x, uint64_t i) {
  int64_t at = 0;
  const int64_t size = DETENT_DTYPE_BITS(x->dtype) / 8;
  if (IS(IGNORES_STRIDES)) return (const char*)x->data + (int64_t)i * size;
  for (int32_t d = x->ndim; d-- > 0;) {
    at += (int64_t)(i % (uint64_t)x->shape[d]) * x->strides[d];
    i /= (uint64_t)x->shape[d];
  }
  return (const char*)x->data + x->byte_offset + at * size;
}

#endif
