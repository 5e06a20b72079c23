/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/serializer.h - writes and, optionally, reads a model format.
 *
 * Calls   create (begin (declare | declare_alias | set_metadata)* (add_tensor | add_rows)* set_metadata*
 *                 (finish | abort))* destroy
 *         create (open (tensor_at | read_tensor | read_metadata)* close)* destroy
 */
#ifndef DETENT_ABI_SERIALIZER_H
#define DETENT_ABI_SERIALIZER_H
#include "base.h"
DETENT_BEGIN_C

typedef struct detent_serializer detent_serializer;

/* A file inside the output (or input) folder, opened by the host: a plugin never sees an absolute
 * path; the host moves the files into place only after finish. Short counts are allowed; -1 on
 * failure. FROZEN. */
typedef struct detent_file {
  void *ctx;
  int64_t(DETENT_CALL *pread)(const struct detent_file *, uint64_t offset, void *, uint64_t n);
  int64_t(DETENT_CALL *pwrite)(const struct detent_file *, uint64_t offset, const void *, uint64_t n);
  uint64_t(DETENT_CALL *size)(const struct detent_file *);
} detent_file;
DETENT_NO_TAIL(detent_file, size);

/* Lives from begin/open to finish/abort/close. */
typedef struct detent_folder {
  uint64_t struct_size;
  void *ctx;
  /* relpath: "/"-separated, no "..", no leading "/". *out lives as long as the folder. */
  int32_t(DETENT_CALL *open)(const struct detent_folder *, const char *relpath,
                             const detent_file **out);
  uint64_t(DETENT_CALL *count)(const struct detent_folder *);
  const char *(DETENT_CALL *name)(const struct detent_folder *, uint64_t i);
} detent_folder;
DETENT_NO_TAIL(detent_folder, name);

typedef struct detent_serializer_vtbl {
  uint64_t struct_size;
  int32_t(DETENT_CALL *create)(const detent_host *, const detent_call *, const detent_config *,
                               detent_serializer **out); /* [any] */
  void(DETENT_CALL *destroy)(detent_serializer *);       /* [instance] */
  /* Writing. All [instance]. Every tensor is declared before the first is added, so that formats
   * with a table in front (safetensors, GGUF) stream: no tensor need be held in memory. Tensors are
   * added in the order in which they were declared, each once.
   * name: of the artefact's main file, "model.safetensors". */
  int32_t(DETENT_CALL *begin)(detent_serializer *, const detent_call *, const detent_folder *,
                              const char *name);
  int32_t(DETENT_CALL *declare)(detent_serializer *, const detent_call *, const detent_tensor_spec *);
  /* value_json is one JSON value. After the first add_tensor only a key that is set already may be
   * set again, to a text of at most the same length once escaped: results that are only
   * known in the end (errors, hashes) get their room in the beginning. */
  int32_t(DETENT_CALL *set_metadata)(detent_serializer *, const detent_call *, const char *key,
                                     const char *value_json);
  int32_t(DETENT_CALL *add_tensor)(detent_serializer *, const detent_call *, const char *name,
                                   const detent_tensor *);
  /* DETENT_E_INVALID_ARG when a declared tensor was not added. Whatever it returns, the file is ended: begin or destroy is next. */
  int32_t(DETENT_CALL *finish)(detent_serializer *, const detent_call *);
  void(DETENT_CALL *abort)(detent_serializer *);
  /* Reading: all five or none (NULL). open gives the count. */
  int32_t(DETENT_CALL *open)(detent_serializer *, const detent_call *, const detent_folder *,
                             const char *name, uint64_t *n_tensors);
  /* *spec is valid until close */
  int32_t(DETENT_CALL *tensor_at)(detent_serializer *, const detent_call *, uint64_t i,
                                  detent_tensor_spec *spec);
  int32_t(DETENT_CALL *read_tensor)(detent_serializer *, const detent_call *, uint64_t i,
                                    const detent_tensor *out);
  int32_t(DETENT_CALL *read_metadata)(detent_serializer *, const detent_call *,
                                      const detent_tensor_sink *);
  void(DETENT_CALL *close)(detent_serializer *);
  const void *(DETENT_CALL *get_extension)(const detent_serializer *, const char *id); /* [any] */
  /* [instance] Optional; NULL when the format has no second names. The artefact knows the declared
   * tensor `name` as `alias`, too: two names of one set of bytes. Before the first add_tensor; alias
   * is the name of no other tensor. */
  int32_t(DETENT_CALL *declare_alias)(detent_serializer *, const detent_call *, const char *alias,
                                      const char *name);
  /* [instance] Optional; NULL: the host holds every tensor until it is whole. In place of one add_tensor:
   * the next rows of the declared tensor `name`, from first_row on, in order, until all are there. rows has
   * at least one row, and the declared shape but for its first extent. A tensor without dimensions or
   * rows comes by add_tensor. The rows of tensors that are made together (codes and their scales)
   * alternate; otherwise the order of declaration holds: a tensor begins when those before it are whole,
   * or when they alternate with it. */
  int32_t(DETENT_CALL *add_rows)(detent_serializer *, const detent_call *, const char *name,
                                 uint64_t first_row, const detent_tensor *rows);
} detent_serializer_vtbl;
DETENT_NO_TAIL(detent_serializer_vtbl, add_rows);

DETENT_END_C
#endif
