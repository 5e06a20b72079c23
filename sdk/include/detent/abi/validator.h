/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/validator.h - judges what was written against what was there before.
 *
 * Calls   create check* check_output? finish? destroy      check once for every tensor of the model, in its order;
 *                                                          of DETENT_PLUGIN_ROWWISE once for every block of rows
 *
 * Data    A validator says in its descriptor's `requires_` what it looks at, and gets no other data: most need
 *         the host's metrics and digests alone, and a second pass over a large model costs as much as the first.
 */
#ifndef DETENT_ABI_VALIDATOR_H
#define DETENT_ABI_VALIDATOR_H
#include "base.h"
DETENT_BEGIN_C

typedef struct detent_validator detent_validator;

#define DETENT_NEEDS_ORIGINAL "data:original"
#define DETENT_NEEDS_DEQUANTIZED "data:dequantized"
#define DETENT_NEEDS_STORED "data:stored"

#define DETENT_FINDING_INFO 0
#define DETENT_FINDING_WARN 1
#define DETENT_FINDING_FAIL 2

typedef struct detent_finding {
  uint64_t struct_size;
  const char *target; /* tensor name, or "" for the run */
  const char *metric; /* "sqnr_db", "max_abs_error", ... */
  double value;
  double threshold;    /* NaN if there is none */
  int32_t severity;    /* DETENT_FINDING_ */
  uint32_t reserved;   /* 0 */
  const char *message; /* may be "" */
} detent_finding;
DETENT_NO_TAIL(detent_finding, message);

typedef struct detent_finding_sink { /* [call] */
  uint64_t struct_size;
  void *ctx;
  int32_t(DETENT_CALL *report)(const struct detent_finding_sink *, const detent_finding *);
} detent_finding_sink;
DETENT_NO_TAIL(detent_finding_sink, report);

/* What the host measured on one tensor, from the original and the stored data; never a plugin's
 * word. FROZEN. sqnr_db: 10 log10(sum x^2 / sum (x - x')^2), +inf when equal. */
typedef struct detent_metrics {
  double sqnr_db;
  double max_abs_error;
  uint64_t bytes_before;
  uint64_t bytes_after; /* codes, scales and zero points */
  uint64_t original_non_finite;    /* NaN and infinite values of the original tensor */
  uint64_t dequantized_non_finite; /* of the dequantized one; 0 for a tensor that was kept */
} detent_metrics;
DETENT_NO_TAIL(detent_metrics, dequantized_non_finite);

/* A tensor as it was found in the artefact. FROZEN. Digests are text ("xxh3-128:<hex>") over the
 * bytes: of what was handed to the serializer, and of what was read back from the file. */
typedef struct detent_stored_tensor {
  const char *name;          /* in the artefact: "fc1.weight_scale" */
  /* The block's rows; NULL when the artefact has none of that name, dtype and shape, and for a validator
   * that does not require DETENT_NEEDS_STORED. */
  const detent_tensor *data;
  const char *digest_intended;
  const char *digest_found; /* of the whole tensor; "" when the artefact has none, and before the last block */
} detent_stored_tensor;
DETENT_NO_TAIL(detent_stored_tensor, digest_found);

typedef struct detent_check_input { /* [call] */
  uint64_t struct_size;
  const char *target;                    /* tensor name in the original model */
  const detent_tensor_spec *tensor;      /* the whole of the original: name, shape, dtype */
  const detent_tensor *original;         /* NULL unless DETENT_NEEDS_ORIGINAL */
  const detent_tensor *dequantized;      /* f32; NULL unless DETENT_NEEDS_DEQUANTIZED, and if kept */
  const detent_tensor_source *quantized; /* "qweight", "scale", ... and metadata as stored; NULL unless
                                            DETENT_NEEDS_STORED, and if kept */
  const detent_qspec *qspec;             /* the quantizer's target; NULL if it has none or kept */
  const detent_stored_tensor *stored;    /* everything stored for this tensor */
  uint64_t n_stored;
  const detent_metrics *metrics;         /* of the whole tensor; NULL before its last block */
  uint64_t first_row;                    /* of the block; 0 when it is the whole tensor */
  uint32_t last;                         /* 1: the block that ends the tensor, or all of it */
  uint32_t is_quantized;                 /* 0: the tensor was kept as it is */
} detent_check_input;
DETENT_NO_TAIL(detent_check_input, is_quantized);

/* How the model's own output was measured. */
#define DETENT_OUTPUT_NONE 0      /* nothing ran: `why`; every number is NaN or 0 */
#define DETENT_OUTPUT_SIMULATED 1 /* the original program, with the quantized numbers put into it */
#define DETENT_OUTPUT_ARTIFACT 2  /* the artefact, which is a program itself */
#define DETENT_OUTPUT_FAILED 3    /* the artefact is a program and does not run: `why` */

/* What the host measured on the model's own output: the quantized program against the original, on the
 * same samples; never a plugin's word. What is not known is NaN. */
typedef struct detent_output_input { /* [call] */
  uint64_t struct_size;
  uint32_t how;     /* DETENT_OUTPUT_ */
  uint32_t exact;   /* 1: the artefact does the simulation's arithmetic, but for rounding of floats */
  const char *why;  /* "" when `how` needs no reason */
  uint64_t samples;
  uint64_t judged;  /* targets that accuracy_before and accuracy_after count; 0 without targets */
  double output_sqnr_db; /* over all floating-point outputs together */
  double max_abs_error;
  double cosine_mean; /* over the samples */
  double cosine_min;
  double top1_agreement;  /* share of rows with the same largest class, 0..1 */
  double accuracy_before; /* 0..1 */
  double accuracy_after;
  uint64_t non_finite; /* values that are finite in the original's output and not in the other */
  /* The artefact against the simulation, on the first few samples. */
  uint64_t intended_samples; /* 0: not compared */
  double intended_sqnr_db;
  const char *intended_mismatch; /* how number or shapes of the outputs differ; "" when they do not */
} detent_output_input;
DETENT_NO_TAIL(detent_output_input, intended_mismatch);

typedef struct detent_run_summary { /* [call] */
  uint64_t struct_size;
  uint64_t tensors;
  uint64_t tensors_quantized;
  uint64_t bytes_before;      /* tensor data of the original */
  uint64_t bytes_after;       /* tensor data of the artefact */
  uint64_t file_bytes_before; /* the model's files */
  uint64_t file_bytes_after;  /* the artefact's files */
} detent_run_summary;
DETENT_NO_TAIL(detent_run_summary, file_bytes_after);

typedef struct detent_validator_vtbl {
  uint64_t struct_size;
  int32_t(DETENT_CALL *create)(const detent_host *, const detent_call *, const detent_config *,
                               detent_validator **out); /* [any] */
  void(DETENT_CALL *destroy)(detent_validator *);       /* [instance] */
  int32_t(DETENT_CALL *check)(detent_validator *, const detent_call *, const detent_check_input *,
                              const detent_finding_sink *); /* [instance] */
  /* [instance] After the last check: findings over the whole run. May be NULL. */
  int32_t(DETENT_CALL *finish)(detent_validator *, const detent_call *, const detent_run_summary *,
                               const detent_finding_sink *);
  const void *(DETENT_CALL *get_extension)(const detent_validator *, const char *id); /* [any] */
  /* [instance] Once, after the last check and before finish: what became of the model's own output. May
   * be NULL. */
  int32_t(DETENT_CALL *check_output)(detent_validator *, const detent_call *, const detent_output_input *,
                                     const detent_finding_sink *);
} detent_validator_vtbl;
DETENT_NO_TAIL(detent_validator_vtbl, check_output);

DETENT_END_C
#endif
