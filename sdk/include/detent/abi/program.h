/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/program.h - an extension of serializers: writing a model that runs.
 *
 * A model that runs (TorchScript) is more than its tensors: operators use them. A serializer whose
 * get_extension(DETENT_EXT_PROGRAM_WRITER) answers gets the program before begin, and decides which
 * operators become what; the host has the means to rewrite and write it, and runs no code of the model
 * in its own process. A serializer that cannot do without lists DETENT_NEEDS_PROGRAM in requires_: the host
 * then refuses a model that does not run before the work begins, and never calls it without a program.
 *
 * Calls   use_program begin (declare | declare_alias | set_metadata)* add_tensor* set_metadata* (finish | abort)
 *
 * The program is lent from use_program until finish or abort returns, or use_program fails. The functions
 * of detent_program may be called inside any call of the serializer between the two; define and prepare come before the
 * first mention of their names, write is last.
 * What does not fit (an index, a name, an argument) is DETENT_E_INVALID_ARG; the host keeps its own text
 * of what went wrong and shows it if the plugin returns that status without a text.
 *
 * What is replaced: for one use its operands first, then the use itself, then its result; whatever the order
 * of these, reads come last. So an operand that comes straight from a quantized tensor is a read: it is
 * what replace_reads makes of it.
 *
 * Source text is TorchScript as an archive's own code/ has it: torch.NAME is the operator aten::NAME, ops.NS.NAME
 * any other, a dtype is its number in c10::ScalarType (6 is float32), classes have their full names
 * ("__torch__.torch.classes.quantized.LinearPackedParamsBase"). Parameters without a type are tensors.
 */
#ifndef DETENT_ABI_PROGRAM_H
#define DETENT_ABI_PROGRAM_H
#include "serializer.h"
DETENT_BEGIN_C

#define DETENT_EXT_PROGRAM_WRITER "detent.program-writer/1"
#define DETENT_NEEDS_PROGRAM "model:program/1" /* in detent_plugin.requires_ */

#define DETENT_ACTIVATION_FLOAT 0u   /* stays in floating point */
#define DETENT_ACTIVATION_STATIC 1u  /* with parameters that are tensors of the artefact */
#define DETENT_ACTIVATION_DYNAMIC 2u /* with parameters that are computed in each run */

/* How an operator's input or its result is quantized. FROZEN. Codes and granularity are those of
 * qspec; a channel's axis counts in the activation itself, batch and all. */
typedef struct detent_program_activation {
  uint64_t mode;            /* DETENT_ACTIVATION_ */
  const detent_qspec *qspec; /* NULL when it stays in floating point */
  const char *scale;        /* static: name of the tensor, f32, [] or [channels]; otherwise NULL */
  const char *zero_point;   /* static: name of the tensor, of scale's shape; NULL: symmetric around code 0 */
} detent_program_activation;
DETENT_NO_TAIL(detent_program_activation, zero_point);

/* An operator that uses a tensor of the model as its weight. */
typedef struct detent_program_use {
  uint64_t struct_size;
  const char *op;     /* "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d" .. "3d", "matmul", "embedding" */
  const char *weight; /* name of the tensor */
  const char *site;   /* for people, and prefix of what is stored of its activations: the layer's name */
  const detent_program_activation *input;  /* operand 0; never NULL */
  const detent_program_activation *output; /* the result; never NULL */
  uint64_t replaceable; /* 0: the operator gets a view of the tensor (x @ w.t()), and replace_use refuses it */
} detent_program_use;
DETENT_NO_TAIL(detent_program_use, replaceable);

/* A tensor of the model and what the run stores for it. */
typedef struct detent_program_tensor {
  uint64_t struct_size;
  const detent_tensor_spec *original;
  const char *scheme;        /* of the codes: "detent.affine/1", "detent.cast/1"; NULL for a tensor that is kept */
  const detent_qspec *qspec; /* the quantizer's target; NULL if it has none (casts) or the tensor is kept */
  const detent_tensor_source *meta; /* get_meta: what the quantizer said at plan ("group_size"); NULL if kept */
  /* What add_tensor will bring: one spec for each output of the quantizer, or the tensor itself. Two codes to a
   * byte are DETENT_I4 or DETENT_U4 here, as the quantizer planned them. */
  uint64_t n_stored;
  const detent_tensor_spec *stored;
  const char *const *outputs; /* n_stored: "qweight", "scale", "zero_point", ...; NULL if kept */
} detent_program_tensor;
DETENT_NO_TAIL(detent_program_tensor, outputs);

#define DETENT_ARG_OPERAND 0u  /* i: the operator's own argument, see below; replace_use only */
#define DETENT_ARG_TENSOR 1u   /* text: a tensor that set_tensor brings, or one of the model that is kept */
#define DETENT_ARG_INT 2u      /* i */
#define DETENT_ARG_FLOAT 3u    /* f */
#define DETENT_ARG_BOOL 4u     /* i: 0 or 1 */
#define DETENT_ARG_PREPARED 5u /* text: a name given to prepare; not in prepare itself */
/* One argument of a call that the serializer puts into the program. FROZEN. */
typedef struct detent_program_arg {
  uint64_t kind; /* DETENT_ARG_ */
  int64_t i;
  double f;
  const char *text;
} detent_program_arg;
DETENT_NO_TAIL(detent_program_arg, text);

/* The operands of replace_use, whatever spelling the program has (types as TorchScript writes them):
 *   linear            0 input, 1 weight, 2 bias: Optional[Tensor]
 *   matmul            0 input, 1 weight, as it is multiplied: perhaps the transpose of the tensor
 *   conv{1,2,3}d      0 input, 1 weight, 2 bias: Optional[Tensor], 3 stride, 4 padding, 5 dilation: List[int],
 *                     6 groups: int; padding is a str where the program says "same" or "valid"
 *   conv_transpose*d  the same, 7 output_padding: List[int]
 *   embedding         0 indices, 1 weight
 * replace_operand, replace_result and replace_reads fit every operator, spelling and padding alike. */

/* What the host lends. All [instance]. */
typedef struct detent_program {
  uint64_t struct_size;
  void *ctx;
  const char *runtime; /* what runs the program here: "LibTorch 2.13.0" */
  uint64_t n_uses;     /* in the order of the program; of kept tensors too */
  uint64_t n_tensors;  /* every tensor of the model */
  /* *out and all it points to live as long as the program is lent. */
  int32_t(DETENT_CALL *use_at)(const struct detent_program *, uint64_t i, const detent_program_use **out);
  int32_t(DETENT_CALL *tensor_at)(const struct detent_program *, uint64_t i, const detent_program_tensor **out);
  /* Source text of one or more TorchScript functions. Those of one text may call one another, and each name is
   * defined once. DETENT_E_UNSUPPORTED when this runtime does not compile it (it lacks an operator, say):
   * the plugin may go on with another text of other names. */
  int32_t(DETENT_CALL *define)(const struct detent_program *, const char *source);
  /* A value that is made once, when the archive is loaded: function(args...), of any type. For what
   * depends on the machine, such as packed weights: stored are the arguments alone, tensors under their own names. */
  int32_t(DETENT_CALL *prepare)(const struct detent_program *, const char *name, const char *function,
                                const detent_program_arg *args, uint64_t n);
  /* The tensor becomes part of the program under this name: in place of the one that has it, or as a
   * buffer beside the module's others. Each name once. Sub-byte dtypes are refused: bring U8. */
  int32_t(DETENT_CALL *set_tensor)(const struct detent_program *, const char *name, const detent_tensor *);
  /* Operand k of use i, 0 or 1, becomes function(operand, args...). Each at most once, and before replace_use. */
  int32_t(DETENT_CALL *replace_operand)(const struct detent_program *, uint64_t i, uint64_t k, const char *function,
                                        const detent_program_arg *args, uint64_t n);
  /* Use i becomes function(args...), whose result stands for the operator's. Each use at most once. */
  int32_t(DETENT_CALL *replace_use)(const struct detent_program *, uint64_t i, const char *function,
                                    const detent_program_arg *args, uint64_t n);
  /* The result of use i becomes function(result, args...). Each at most once, after replace_use if there is one. */
  int32_t(DETENT_CALL *replace_result)(const struct detent_program *, uint64_t i, const char *function,
                                       const detent_program_arg *args, uint64_t n);
  /* Every read of the tensor that is left becomes function(args...); none being left is no error. Needed for
   * each tensor whose dtype or shape changes. Each tensor at most once. */
  int32_t(DETENT_CALL *replace_reads)(const struct detent_program *, const char *tensor, const char *function,
                                      const detent_program_arg *args, uint64_t n);
  /* A text that lies in the archive beside the program: "extra/<name>", Python's _extra_files. */
  int32_t(DETENT_CALL *set_extra_file)(const struct detent_program *, const char *name, const char *bytes,
                                       uint64_t n);
  /* Something the user should know, into the report; code is a stable lower-case word ("portable_form"). */
  int32_t(DETENT_CALL *warn)(const struct detent_program *, const char *code, const char *message);
  /* Writes the archive, from offset 0 of the file. Once; nothing may be changed afterwards. */
  int32_t(DETENT_CALL *write)(const struct detent_program *, const detent_file *);
} detent_program;
DETENT_NO_TAIL(detent_program, write);

/* What the serializer's get_extension gives. */
typedef struct detent_program_writer {
  uint64_t struct_size;
  int32_t(DETENT_CALL *use_program)(detent_serializer *, const detent_call *, const detent_program *);
} detent_program_writer;
DETENT_NO_TAIL(detent_program_writer, use_program);

DETENT_END_C
#endif
