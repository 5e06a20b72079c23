/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/elements.h - reads the elements of a tensor of any dtype and strides.
 *
 *   detent_walk w;
 *   if (!detent_walk_start(&w, x)) return detent_fail(call, DETENT_E_UNSUPPORTED, "this dtype");
 *   while (detent_walk_next(&w)) use(w.value, w.index[axis]);
 */
#ifndef DETENT_C_ELEMENTS_H
#define DETENT_C_ELEMENTS_H
#include <string.h>

#include "../abi/base.h"
DETENT_BEGIN_C

/* IEEE binary16 to binary32, exact; the payload of a NaN is kept. */
static inline float detent_half_to_float(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  const uint32_t exponent = (uint32_t)(h >> 10) & 31u;
  const uint32_t mantissa = h & 1023u;
  uint32_t bits = sign;
  float value;
  if (exponent == 31) {
    bits |= 0x7F800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits |= ((exponent + 112u) << 23) | (mantissa << 13);
  } else if (mantissa != 0) {
    const float magnitude = (float)mantissa * 5.9604644775390625e-08f; /* 2^-24 */
    uint32_t m;
    memcpy(&m, &magnitude, 4);
    bits |= m;
  }
  memcpy(&value, &bits, 4);
  return value;
}

static inline float detent_bfloat16_to_float(uint16_t h) {
  const uint32_t bits = (uint32_t)h << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

static inline int detent_is_floating_point(detent_dtype dtype) {
  return dtype == DETENT_F32 || dtype == DETENT_F64 || dtype == DETENT_F16 || dtype == DETENT_BF16;
}

static inline int64_t detent_numel(const detent_tensor* t) {
  int64_t n = 1;
  int32_t d;
  for (d = 0; d < t->ndim; ++d) n *= t->shape[d];
  return n;
}

static inline int detent_is_contiguous(const detent_tensor* t) {
  int64_t expected = 1;
  int32_t d;
  for (d = t->ndim - 1; d >= 0; --d) {
    if (t->shape[d] != 1 && t->strides[d] != expected) return 0;
    expected *= t->shape[d];
  }
  return 1;
}

static inline const char* detent_bytes(const detent_tensor* t) {
  return (const char*)t->data + t->byte_offset;
}

/* Index r of dimension 0, as a tensor of one dimension less. For dtypes of whole bytes. */
static inline detent_tensor detent_row(const detent_tensor* t, int64_t r) {
  detent_tensor row = *t;
  const int64_t element = DETENT_DTYPE_BITS(t->dtype) / 8;
  row.byte_offset += (uint64_t)(r * t->strides[0] * element);
  row.ndim -= 1;
  row.shape += 1;
  row.strides += 1;
  return row;
}

/* One element, exact: f32, f64, f16, bf16 and integers up to 32 bits. 0 for another dtype. */
static inline int detent_load(detent_dtype dtype, const void* at, double* out) {
  union {
    float f32;
    double f64;
    int8_t i8;
    uint8_t u8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
  } v;
  const uint32_t bytes = DETENT_DTYPE_BITS(dtype) / 8;
  if (bytes > sizeof v) return 0;
  memcpy(&v, at, bytes);
  switch (dtype) {
    case DETENT_F32: *out = (double)v.f32; return 1;
    case DETENT_F64: *out = v.f64; return 1;
    case DETENT_F16: *out = (double)detent_half_to_float(v.u16); return 1;
    case DETENT_BF16: *out = (double)detent_bfloat16_to_float(v.u16); return 1;
    case DETENT_I8: *out = v.i8; return 1;
    case DETENT_U8: *out = v.u8; return 1;
    case DETENT_I16: *out = v.i16; return 1;
    case DETENT_U16: *out = v.u16; return 1;
    case DETENT_I32: *out = v.i32; return 1;
    case DETENT_U32: *out = v.u32; return 1;
    default: return 0;
  }
}

#define DETENT_WALK_DIMENSIONS 64

/* In row-major order. index is that of the element whose value it is. */
typedef struct detent_walk {
  const detent_tensor* tensor;
  const char* at; /* of the next element */
  int64_t left;   /* elements to come */
  double value;
  int64_t index[DETENT_WALK_DIMENSIONS];
  int64_t next[DETENT_WALK_DIMENSIONS];
} detent_walk;

/* 0 for a dtype that detent_load does not know, or for more than 64 dimensions. */
static inline int detent_walk_start(detent_walk* w, const detent_tensor* t) {
  static const char nothing[8] = {0};
  double ignored;
  if (t->ndim > DETENT_WALK_DIMENSIONS || !detent_load(t->dtype, nothing, &ignored)) return 0;
  w->tensor = t;
  w->left = detent_numel(t);
  w->at = w->left != 0 ? detent_bytes(t) : NULL;
  memset(w->next, 0, sizeof w->next);
  return 1;
}

/* 1 with value and index set, 0 after the last element. */
static inline int detent_walk_next(detent_walk* w) {
  const detent_tensor* t = w->tensor;
  const int64_t element = DETENT_DTYPE_BITS(t->dtype) / 8;
  int32_t d;
  if (w->left == 0) return 0;
  --w->left;
  (void)detent_load(t->dtype, w->at, &w->value);
  memcpy(w->index, w->next, sizeof(int64_t) * (size_t)t->ndim);
  for (d = t->ndim - 1; d >= 0 && w->left != 0; --d) {
    w->at += t->strides[d] * element;
    if (++w->next[d] < t->shape[d]) break;
    w->at -= t->strides[d] * element * t->shape[d];
    w->next[d] = 0;
  }
  return 1;
}

DETENT_END_C
#endif
