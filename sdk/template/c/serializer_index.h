/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of a file of @ID@: what is in it, as bytes, and back.
 */
#ifndef INDEX_H
#define INDEX_H
#include <detent/c.h>
#include <stdlib.h>

#define HEAD UINT64_C(16)
#define ALIGN UINT64_C(64)
#define MAX_INDEX UINT64_C(100000000)
#define MAX_BYTES (UINT64_C(1) << 62)

static const char magic[8] = {'T', 'E', 'N', 'S', 'O', 'R', 'S', '1'};

typedef struct entry {
  char* name;
  detent_dtype dtype;
  int32_t ndim;
  int64_t* shape;
  uint64_t offset, nbytes;
} entry;

typedef struct note {
  char *key, *value;
} note;

typedef struct file_index {
  entry* tensors;
  uint64_t n_tensors;
  note* notes;
  uint64_t n_notes;
} file_index;

static uint64_t aligned(uint64_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

/* n bytes and a zero behind them. */
static char* copy_text(const char* text, uint64_t n) {
  char* copy = (char*)malloc((size_t)n + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, (size_t)n);
  copy[n] = 0;
  return copy;
}

/* Room for one more at the end of an array, zeroed. NULL: no memory. */
static void* grow(void** array, uint64_t n, size_t size) {
  char* grown = (char*)*array;
  if ((n & (n - 1)) == 0) { /* a power of two: full */
    grown = (char*)realloc(*array, (size_t)(n == 0 ? 1 : 2 * n) * size);
    if (grown == NULL) return NULL;
    *array = grown;
  }
  return memset(grown + n * size, 0, size);
}

static void clear_index(file_index* s) {
  for (uint64_t i = 0; i < s->n_tensors; ++i) {
    free(s->tensors[i].name);
    free(s->tensors[i].shape);
  }
  for (uint64_t i = 0; i < s->n_notes; ++i) {
    free(s->notes[i].key);
    free(s->notes[i].value);
  }
  free(s->tensors);
  free(s->notes);
  memset(s, 0, sizeof *s);
}

static entry* add_entry(file_index* s, const char* name, uint64_t length, int32_t ndim) {
  entry* e = (entry*)grow((void**)&s->tensors, s->n_tensors, sizeof *e);
  if (e == NULL) return NULL;
  e->name = copy_text(name, length);
  e->shape = (int64_t*)calloc(ndim != 0 ? (size_t)ndim : 1, sizeof *e->shape);
  e->ndim = ndim;
  ++s->n_tensors;
  return e->name != NULL && e->shape != NULL ? e : NULL;
}

static note* add_note(file_index* s, const char* key, uint64_t key_length, const char* value,
                      uint64_t length) {
  note* n = (note*)grow((void**)&s->notes, s->n_notes, sizeof *n);
  if (n == NULL) return NULL;
  n->key = copy_text(key, key_length);
  n->value = copy_text(value, length);
  ++s->n_notes;
  return n->key != NULL && n->value != NULL ? n : NULL;
}

/* Counts when there is no room, so that one function says how long the index is and writes it. */
typedef struct encoder {
  char* bytes;
  uint64_t size;
} encoder;

static void put(encoder* e, const void* data, uint64_t n) {
  if (e->bytes != NULL && n != 0) memcpy(e->bytes + e->size, data, (size_t)n);
  e->size += n;
}
static void put_number(encoder* e, uint64_t value, uint64_t bytes) {
  char little[8];
  for (int i = 0; i < 8; ++i) little[i] = (char)(value >> (8 * i) & 0xFF);
  put(e, little, bytes);
}
static void put_text(encoder* e, const char* text) {
  put_number(e, strlen(text), 4);
  put(e, text, strlen(text));
}

static void encode(const file_index* s, encoder* out) {
  put_number(out, s->n_tensors, 8);
  for (uint64_t i = 0; i < s->n_tensors; ++i) {
    const entry* e = &s->tensors[i];
    put_text(out, e->name);
    put_number(out, e->dtype, 4);
    put_number(out, (uint64_t)e->ndim, 4);
    for (int32_t d = 0; d < e->ndim; ++d) put_number(out, (uint64_t)e->shape[d], 8);
    put_number(out, e->offset, 8);
    put_number(out, e->nbytes, 8);
  }
  put_number(out, s->n_notes, 8);
  for (uint64_t i = 0; i < s->n_notes; ++i) {
    put_text(out, s->notes[i].key);
    put_text(out, s->notes[i].value);
  }
}

static uint64_t index_size(const file_index* s) {
  encoder counting = {NULL, 0};
  encode(s, &counting);
  return aligned(HEAD + counting.size) - HEAD;
}

/* What may be anything. `at` stops at the first number or text that is not all there. */
typedef struct decoder {
  const char* at;
  uint64_t left;
  int sound;
} decoder;

static const char* take(decoder* in, uint64_t n) {
  const char* at = in->at;
  in->sound = in->sound && n <= in->left;
  if (!in->sound) return NULL;
  in->at += n;
  in->left -= n;
  return at;
}
static uint64_t take_number(decoder* in, uint64_t bytes) {
  const char* at = take(in, bytes);
  uint64_t value = 0;
  for (uint64_t i = 0; at != NULL && i < bytes; ++i)
    value |= (uint64_t)(unsigned char)at[i] << 8 * i;
  return value;
}
/* Bytes of a text without zeros, or NULL. */
static const char* take_text(decoder* in, uint64_t* length) {
  *length = take_number(in, 4);
  const char* text = take(in, *length);
  in->sound = in->sound && memchr(text, 0, (size_t)*length) == NULL;
  return in->sound ? text : NULL;
}

static int decode_entry(file_index* s, decoder* in, uint64_t data_bytes) {
  uint64_t length = 0;
  const char* name = take_text(in, &length);
  const uint64_t dtype = take_number(in, 4), ndim = take_number(in, 4);
  if (!in->sound || length == 0 || ndim > 64) return 0;
  entry* e = add_entry(s, name, length, (int32_t)ndim);
  if (e == NULL) return 0;
  e->dtype = (detent_dtype)dtype;
  for (uint64_t d = 0; d < ndim; ++d) e->shape[d] = (int64_t)take_number(in, 8);
  e->offset = take_number(in, 8);
  e->nbytes = take_number(in, 8);
  return in->sound && e->offset <= data_bytes && e->nbytes <= data_bytes - e->offset &&
         e->nbytes == detent_nbytes(e->dtype, e->ndim, e->shape);
}

static int decode(file_index* s, decoder in, uint64_t data_bytes) {
  for (uint64_t n = take_number(&in, 8); n != 0; --n)
    if (!decode_entry(s, &in, data_bytes)) return 0;
  for (uint64_t n = take_number(&in, 8); n != 0 && in.sound; --n) {
    uint64_t key_length = 0, length = 0;
    const char *key = take_text(&in, &key_length), *value = take_text(&in, &length);
    if (in.sound && add_note(s, key, key_length, value, length) == NULL) return 0;
  }
  return in.sound;
}

#endif
