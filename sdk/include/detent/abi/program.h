/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/program.h - an extension of serializers: writing a model that runs.
 *
 * A model that runs (TorchScript) is more than its tensors: operators use them. A serializer whose
 * get_extension(self, DETENT_EXT_PROGRAM_WRITER) answers gets the program before begin, and decides which
 * operators become what; the host has the means to rewrite and write it, and runs no code of the model
 * in its own process. The descriptor of such a serializer lists DETENT_NEEDS_PROGRAM in requires_: then the host
 * refuses a model that does not run before the work begins, and never calls it without a program.
 *
 * Calls   use_program begin (declare | set_metadata)* add_tensor* set_metadata* (finish | abort)
 */
#ifndef DETENT_ABI_PROGRAM_H
#define DETENT_ABI_PROGRAM_H
#include "serializer.h"
DETENT_BEGIN_C

#define DETENT_EXT_PROGRAM_WRITER "detent.program-writer/1"
#define DETENT_NEEDS_PROGRAM "model:program/1" /* in detent_plugin.requires_ */

#define DETENT_ACTIVATION_FLOAT 0   /* stays in floating point */
#define DETENT_ACTIVATION_STATIC 1  /* "<site>.input_scale" and, unless symmetric, "<site>.input_zero_point" */
#define DETENT_ACTIVATION_DYNAMIC 2 /* quantized with parameters that are computed in each run */

/* An operator that uses a weight. Strings and pointers live until finish or abort returns. */
typedef struct detent_program_use {
  uint64_t struct_size;
  const char *op;     /* "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d" .. "3d", "matmul", "embedding" */
  const char *weight; /* name of the tensor; that of the artefact's codes too */
  const char *site;   /* prefix of what is stored of its activations: the layer's name */
  uint32_t input;     /* DETENT_ACTIVATION_ */
  uint32_t output;    /* DETENT_ACTIVATION_, of the operator's result: "<site>.output_scale", ... */
  const detent_qspec *input_qspec;  /* NULL when it stays in floating point */
  const detent_qspec *output_qspec;
} detent_program_use;
DETENT_NO_TAIL(detent_program_use, output_qspec);

/* A tensor of the model as the run stores it. Strings and pointers live until finish or abort returns. */
typedef struct detent_program_tensor {
  uint64_t struct_size;
  const char *name;
  const detent_tensor_spec *original;
  const char *scheme;         /* of the codes: "detent.affine/1", "detent.float/1"; NULL for a tensor that is kept */
  const detent_qspec *qspec;  /* the quantizer's target; NULL if it has none (casts) or the tensor is kept */
  const detent_tensor_source *meta; /* get_meta: what the quantizer said at plan ("group_size"); NULL if kept */
} detent_program_tensor;
DETENT_NO_TAIL(detent_program_tensor, meta);

/* One argument of a call that the serializer puts into the program. FROZEN. */
#define DETENT_ARG_OPERAND 0 /* i: index of the operator's own argument; linear: 0 input, 1 weight, 2 bias */
#define DETENT_ARG_TENSOR 1  /* text: a tensor of the artefact */
#define DETENT_ARG_INT 2     /* i */
#define DETENT_ARG_FLOAT 3   /* f */
#define DETENT_ARG_BOOL 4    /* i */
typedef struct detent_program_arg {
  uint64_t kind;
  int64_t i;
  double f;
  const char *text;
} detent_program_arg;
DETENT_NO_TAIL(detent_program_arg, text);

/* What the host lends, from use_program until finish or abort returns. All [instance]. */
typedef struct detent_program {
  uint64_t struct_size;
  void *ctx;
  uint64_t n_uses;
  uint64_t n_tensors; /* every tensor of the model */
  int32_t(DETENT_CALL *use_at)(const struct detent_program *, uint64_t i, const detent_program_use **out);
  int32_t(DETENT_CALL *tensor_at)(const struct detent_program *, uint64_t i, const detent_program_tensor **out);
  /* Source text of TorchScript functions; parameters without a type are tensors. */
  int32_t(DETENT_CALL *define)(const struct detent_program *, const char *source);
  /* The tensor becomes part of the program under this name: in place of the one that has it, or as a
   * buffer beside the module's others. */
  int32_t(DETENT_CALL *set_tensor)(const struct detent_program *, const char *name, const detent_tensor *);
  /* Use i becomes function(args...). Its result stands for the operator's. */
  int32_t(DETENT_CALL *replace_use)(const struct detent_program *, uint64_t i, const char *function,
                                    const detent_program_arg *args, uint64_t n);
  /* Every other read of the tensor becomes function(args...); operands are not allowed. */
  int32_t(DETENT_CALL *replace_reads)(const struct detent_program *, const char *tensor, const char *function,
                                      const detent_program_arg *args, uint64_t n);
  /* A text that lies in the archive beside the program ("extra/<name>"). */
  int32_t(DETENT_CALL *set_extra_file)(const struct detent_program *, const char *name, const char *bytes,
                                       uint64_t n);
  /* Writes the archive. Once. */
  int32_t(DETENT_CALL *write)(const struct detent_program *, const detent_file *);
} detent_program;
DETENT_NO_TAIL(detent_program, write);

/* What the plugin's get_extension gives. */
typedef struct detent_program_writer {
  uint64_t struct_size;
  int32_t(DETENT_CALL *use_program)(detent_serializer *, const detent_call *, const detent_program *);
} detent_program_writer;
DETENT_NO_TAIL(detent_program_writer, use_program);

DETENT_END_C
#endif
