/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/validator.h - judges what was written against what was there before.
 *
 * Calls   create check* finish? destroy      check once for every tensor of the model, in its order
 */
#ifndef DETENT_ABI_VALIDATOR_H
#define DETENT_ABI_VALIDATOR_H
#include "base.h"
DETENT_BEGIN_C

typedef struct detent_validator detent_validator;

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
} detent_metrics;
DETENT_NO_TAIL(detent_metrics, bytes_after);

/* A tensor as it was found in the artefact. FROZEN. Digests are text ("xxh3-128:<hex>") over the
 * bytes: of what was handed to the serializer, and of what was read back from the file. */
typedef struct detent_stored_tensor {
  const char *name;          /* in the artefact: "fc1.weight_scale" */
  const detent_tensor *data; /* NULL when the artefact has none of that name, dtype and shape */
  const char *digest_intended;
  const char *digest_found; /* "" when data is NULL */
} detent_stored_tensor;
DETENT_NO_TAIL(detent_stored_tensor, digest_found);

typedef struct detent_check_input { /* [call] */
  uint64_t struct_size;
  const char *target;                    /* tensor name in the original model */
  const detent_tensor *original;
  const detent_tensor *dequantized;      /* f32; NULL for a tensor that was kept */
  const detent_tensor_source *quantized; /* "qweight", "scale", ... and metadata as stored; NULL if kept */
  const detent_qspec *qspec;             /* the quantizer's target; NULL if it has none or kept */
  const detent_stored_tensor *stored;    /* everything stored for this tensor */
  uint64_t n_stored;
  const detent_metrics *metrics;
} detent_check_input;
DETENT_NO_TAIL(detent_check_input, metrics);

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
} detent_validator_vtbl;
DETENT_NO_TAIL(detent_validator_vtbl, get_extension);

DETENT_END_C
#endif
