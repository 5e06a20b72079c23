/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/files.h - a serializer's files: all of a range, whatever the host takes or gives at
 * once.
 */
#ifndef DETENT_C_FILES_H
#define DETENT_C_FILES_H
#include "../abi/serializer.h"
#include "elements.h"
DETENT_BEGIN_C

/* 0 when the host could not write all of it. */
static inline int detent_file_write(const detent_file* file, uint64_t offset, const void* data,
                                    uint64_t n) {
  const char* at = (const char*)data;
  while (n != 0) {
    const int64_t taken = file->pwrite(file, offset, at, n);
    if (taken <= 0 || (uint64_t)taken > n) return 0;
    at += taken;
    offset += (uint64_t)taken;
    n -= (uint64_t)taken;
  }
  return 1;
}
/* 0 when the file ends before. */
static inline int detent_file_read(const detent_file* file, uint64_t offset, void* data,
                                   uint64_t n) {
  char* at = (char*)data;
  while (n != 0) {
    const int64_t got = file->pread(file, offset, at, n);
    if (got <= 0 || (uint64_t)got > n) return 0;
    at += got;
    offset += (uint64_t)got;
    n -= (uint64_t)got;
  }
  return 1;
}

/* Elements on their way into a file, some thousand at once. */
typedef struct detent_piece {
  const detent_file* file;
  uint64_t offset;
  uint64_t size;
  char bytes[65536];
} detent_piece;

static inline int detent_piece_flush(detent_piece* p) {
  const int written = detent_file_write(p->file, p->offset, p->bytes, p->size);
  p->offset += p->size;
  p->size = 0;
  return written;
}

static inline int detent_piece_add(detent_piece* p, const detent_tensor* t, int32_t d,
                                   const char* at) {
  const uint64_t element = DETENT_DTYPE_BITS(t->dtype) / 8;
  int64_t i;
  if (d == t->ndim) {
    if (p->size + element > sizeof p->bytes && !detent_piece_flush(p)) return 0;
    memcpy(p->bytes + p->size, at, (size_t)element);
    p->size += element;
    return 1;
  }
  for (i = 0; i < t->shape[d]; ++i)
    if (!detent_piece_add(p, t, d + 1, at + i * t->strides[d] * (int64_t)element)) return 0;
  return 1;
}

/* The elements of a tensor of any strides, compact and in row-major order. 0 when the host could
 * not write all of them. */
static inline int detent_file_write_tensor(const detent_file* file, uint64_t offset,
                                           const detent_tensor* t) {
  const uint64_t nbytes = detent_nbytes(t->dtype, t->ndim, t->shape);
  detent_piece p;
  if (nbytes == 0) return 1;
  if (detent_is_contiguous(t)) return detent_file_write(file, offset, detent_bytes(t), nbytes);
  p.file = file;
  p.offset = offset;
  p.size = 0;
  return detent_piece_add(&p, t, 0, detent_bytes(t)) && detent_piece_flush(&p);
}

DETENT_END_C
#endif
