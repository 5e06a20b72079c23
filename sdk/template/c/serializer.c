/* SPDX-License-Identifier: Apache-2.0
 *
 * @ID@: tensors one after another, with an index in front. All integers are little-endian.
 *
 *   "TENSORS1" | u64 size of the index | index, zeros up to a multiple of 64 | data
 *
 *   index     u64 tensors, each: text name, u32 dtype, u32 ndim, i64 shape[ndim], u64 offset, u64
 * bytes u64 metadata, each: text key, text value (JSON, spaces at its end) text      u32 length,
 * bytes offset    from the start of the data, a multiple of 64
 *
 * A file whose writing stopped begins with zeros: the index is written last.
 */
#include <detent/c.h>

#include "index.h"

struct detent_serializer {
  const detent_file* file;
  file_index index;
  uint64_t data_start; /* 0 while tensors are declared */
  uint64_t added;
  int writing;
};

static void clear(detent_serializer* s) {
  clear_index(&s->index);
  memset(s, 0, sizeof *s);
}

static int32_t DETENT_CALL create(const detent_host* host, const detent_call* call,
                                  const detent_config* config, detent_serializer** out) {
  (void)host, (void)call, (void)config;
  *out = (detent_serializer*)calloc(1, sizeof **out);
  return *out != NULL ? DETENT_OK : DETENT_E_NO_MEMORY;
}

static void DETENT_CALL destroy(detent_serializer* s) {
  if (s != NULL) clear(s);
  free(s);
}

static int32_t misuse(const detent_call* call, const char* function) {
  return detent_fail(call, DETENT_E_INVALID_ARG, "%s was called out of its order", function);
}

static int32_t open_file(detent_serializer* s, const detent_call* call, const detent_folder* folder,
                         const char* name) {
  clear(s);
  const int32_t status = folder->open(folder, name, &s->file);
  return status == DETENT_OK ? status : detent_fail(call, status, "cannot open \"%s\"", name);
}

/* ---- writing -------------------------------------------------------------------- */

static int32_t DETENT_CALL begin(detent_serializer* s, const detent_call* call,
                                 const detent_folder* folder, const char* name) {
  const int32_t status = open_file(s, call, folder, name);
  s->writing = status == DETENT_OK;
  return status;
}

static int32_t DETENT_CALL declare(detent_serializer* s, const detent_call* call,
                                   const detent_tensor_spec* spec) {
  if (!s->writing || s->data_start != 0) return misuse(call, "declare");
  for (uint64_t i = 0; i < s->index.n_tensors; ++i)
    if (strcmp(s->index.tensors[i].name, spec->name) == 0)
      return detent_fail(call, DETENT_E_INVALID_ARG, "\"%s\" is declared twice", spec->name);
  const entry* last = s->index.n_tensors != 0 ? &s->index.tensors[s->index.n_tensors - 1] : NULL;
  const uint64_t offset = last != NULL ? aligned(last->offset + last->nbytes) : 0;
  const uint64_t nbytes = detent_nbytes(spec->dtype, spec->ndim, spec->shape);
  if (nbytes > MAX_BYTES - offset)
    return detent_fail(call, DETENT_E_INVALID_ARG,
                       "the tensors together are larger than a file can be");
  entry* e = add_entry(&s->index, spec->name, strlen(spec->name), spec->ndim);
  if (e == NULL) return DETENT_E_NO_MEMORY;
  if (spec->ndim != 0) memcpy(e->shape, spec->shape, (size_t)spec->ndim * sizeof *e->shape);
  e->dtype = spec->dtype;
  e->offset = offset;
  e->nbytes = nbytes;
  return DETENT_OK;
}

/* After the first tensor the index has its size: a value may then only be replaced by one that is
 * not longer. Spaces fill the rest. */
static int32_t DETENT_CALL set_metadata(detent_serializer* s, const detent_call* call,
                                        const char* key, const char* value) {
  if (!s->writing) return misuse(call, "set_metadata");
  const size_t length = strlen(value);
  for (uint64_t i = 0; i < s->index.n_notes; ++i) {
    note* n = &s->index.notes[i];
    if (strcmp(n->key, key) != 0) continue;
    const size_t room = strlen(n->value);
    if (s->data_start != 0 && length > room) break;
    if (length > room) {
      char* copy = copy_text(value, length);
      if (copy == NULL) return DETENT_E_NO_MEMORY;
      free(n->value);
      n->value = copy;
    } else {
      memcpy(n->value, value, length);
      memset(n->value + length, ' ', room - length);
    }
    return DETENT_OK;
  }
  if (s->data_start != 0)
    return detent_fail(call, DETENT_E_INVALID_ARG, "no room was kept for the metadata \"%s\"", key);
  return add_note(&s->index, key, strlen(key), value, length) != NULL ? DETENT_OK
                                                                      : DETENT_E_NO_MEMORY;
}

/* With the first tensor the size of the index is fixed, and so is where the data begin. */
static int32_t freeze(detent_serializer* s, const detent_call* call) {
  if (s->data_start != 0) return DETENT_OK;
  const uint64_t size = index_size(&s->index);
  if (size > MAX_INDEX)
    return detent_fail(call, DETENT_E_UNSUPPORTED, "the index is larger than 100 MB");
  s->data_start = HEAD + size;
  return DETENT_OK;
}

static int32_t DETENT_CALL add_tensor(detent_serializer* s, const detent_call* call,
                                      const char* name, const detent_tensor* t) {
  if (!s->writing) return misuse(call, "add_tensor");
  if (s->added == s->index.n_tensors || strcmp(s->index.tensors[s->added].name, name) != 0)
    return detent_fail(call, DETENT_E_INVALID_ARG, "it is not the turn of \"%s\"", name);
  const entry* e = &s->index.tensors[s->added];
  if (t->dtype != e->dtype || t->ndim != e->ndim ||
      (e->ndim != 0 && memcmp(t->shape, e->shape, (size_t)e->ndim * sizeof *e->shape) != 0))
    return detent_fail(call, DETENT_E_INVALID_ARG, "\"%s\" is not as it was declared", name);
  int32_t status = freeze(s, call);
  if (status != DETENT_OK) return status;
  if (!detent_file_write_tensor(s->file, s->data_start + e->offset, t))
    return detent_fail(call, DETENT_E_IO, "\"%s\" could not be written", name);
  ++s->added;
  return DETENT_OK;
}

static int32_t write_index(const detent_serializer* s) {
  const uint64_t size = s->data_start - HEAD;
  encoder index = {(char*)calloc(1, (size_t)size), 0}, head = {NULL, 0};
  char head_bytes[16];
  if (index.bytes == NULL) return DETENT_E_NO_MEMORY;
  encode(&s->index, &index);
  head.bytes = head_bytes;
  put(&head, magic, sizeof magic);
  put_number(&head, size, 8);
  const int written = detent_file_write(s->file, HEAD, index.bytes, size) &&
                      detent_file_write(s->file, 0, head.bytes, HEAD);
  free(index.bytes);
  return written ? DETENT_OK : DETENT_E_IO;
}

static int32_t DETENT_CALL finish(detent_serializer* s, const detent_call* call) {
  if (!s->writing) return misuse(call, "finish");
  if (s->added != s->index.n_tensors)
    return detent_fail(call, DETENT_E_INVALID_ARG, "\"%s\" was not added",
                       s->index.tensors[s->added].name);
  int32_t status = freeze(s, call);
  if (status == DETENT_OK) status = write_index(s);
  if (status == DETENT_OK) clear(s);
  return status == DETENT_OK ? status : detent_fail(call, status, "the index could not be written");
}

static void DETENT_CALL abort_writing(detent_serializer* s) { clear(s); }

/* ---- reading -------------------------------------------------------------------- */

static int32_t read_index(detent_serializer* s, const detent_call* call) {
  char head[16];
  const uint64_t size = s->file->size(s->file);
  if (size < HEAD || !detent_file_read(s->file, 0, head, HEAD) ||
      memcmp(head, magic, sizeof magic) != 0)
    return detent_fail(call, DETENT_E_IO, "the file does not begin with \"TENSORS1\"");
  decoder rest = {head + sizeof magic, 8, 1};
  const uint64_t index_bytes = take_number(&rest, 8);
  if (index_bytes > MAX_INDEX || index_bytes > size - HEAD)
    return detent_fail(call, DETENT_E_IO, "the index is larger than the file, or than 100 MB");
  char* bytes = (char*)malloc((size_t)index_bytes + 1);
  if (bytes == NULL) return DETENT_E_NO_MEMORY;
  const decoder in = {bytes, index_bytes, 1};
  const int sound = detent_file_read(s->file, HEAD, bytes, index_bytes) &&
                    decode(&s->index, in, size - HEAD - index_bytes);
  free(bytes);
  s->data_start = HEAD + index_bytes;
  return sound ? DETENT_OK : detent_fail(call, DETENT_E_IO, "the index of the file is damaged");
}

static int32_t DETENT_CALL open_to_read(detent_serializer* s, const detent_call* call,
                                        const detent_folder* folder, const char* name,
                                        uint64_t* n_tensors) {
  int32_t status = open_file(s, call, folder, name);
  if (status == DETENT_OK) status = read_index(s, call);
  if (status == DETENT_OK)
    *n_tensors = s->index.n_tensors;
  else
    clear(s);
  return status;
}

static int32_t DETENT_CALL tensor_at(detent_serializer* s, const detent_call* call, uint64_t i,
                                     detent_tensor_spec* spec) {
  if (i >= s->index.n_tensors) return misuse(call, "tensor_at");
  const entry* e = &s->index.tensors[i];
  spec->name = e->name;
  spec->shape = e->ndim != 0 ? e->shape : NULL;
  spec->ndim = e->ndim;
  spec->dtype = e->dtype;
  return DETENT_OK;
}

static int32_t DETENT_CALL read_tensor(detent_serializer* s, const detent_call* call, uint64_t i,
                                       const detent_tensor* out) {
  if (i >= s->index.n_tensors) return misuse(call, "read_tensor");
  const entry* e = &s->index.tensors[i];
  if (out->dtype != e->dtype || out->ndim != e->ndim || out->nbytes < e->nbytes ||
      detent_nbytes(out->dtype, out->ndim, out->shape) != e->nbytes)
    return detent_fail(call, DETENT_E_INVALID_ARG, "\"%s\" does not fit what it is read into",
                       e->name);
  if (e->nbytes == 0 || detent_file_read(s->file, s->data_start + e->offset, out->data, e->nbytes))
    return DETENT_OK;
  return detent_fail(call, DETENT_E_IO, "\"%s\" could not be read", e->name);
}

static int32_t DETENT_CALL read_metadata(detent_serializer* s, const detent_call* call,
                                         const detent_tensor_sink* sink) {
  (void)call;
  int32_t status = DETENT_OK;
  for (uint64_t i = 0; i < s->index.n_notes && status == DETENT_OK; ++i)
    status = sink->set_meta(sink, s->index.notes[i].key, s->index.notes[i].value);
  return status;
}

static void DETENT_CALL close_file(detent_serializer* s) { clear(s); }

static const detent_serializer_vtbl functions = {
    .struct_size = sizeof(detent_serializer_vtbl),
    .create = create,
    .destroy = destroy,
    .begin = begin,
    .declare = declare,
    .set_metadata = set_metadata,
    .add_tensor = add_tensor,
    .finish = finish,
    .abort = abort_writing,
    .open = open_to_read,
    .tensor_at = tensor_at,
    .read_tensor = read_tensor,
    .read_metadata = read_metadata,
    .close = close_file,
};

static const char* const none[] = {NULL};
static const char* const provides[] = {"format:@ID@", "extension:.tensors", NULL};

static const detent_plugin plugin = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_SERIALIZER,
    .flags = DETENT_PLUGIN_DETERMINISTIC,
    .id = "@ID@",
    .version = "0.1.0",
    .name = "@NAME@",
    .description = "Tensors one after another, with an index in front",
    .vendor = "@VENDOR@",
    .license = "Apache-2.0",
    .params_schema = "{\"type\": \"object\", \"additionalProperties\": false}",
    .aliases = none,
    .provides = provides,
    .requires_ = none,
    .vtbl = &functions,
};

DETENT_C_LIBRARY(plugin);
