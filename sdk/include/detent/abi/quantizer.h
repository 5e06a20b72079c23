/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/quantizer.h - turns a tensor into codes and back.
 *
 * Calls   create plan (quantize | dequantize)* destroy      one instance, one tensor
 *         create dequantize* destroy                        when an artefact is read back
 *
 * The host asks `plan` about every floating-point tensor of a layer that a rule selects: weight,
 * bias, running mean. The plugin takes it by declaring outputs, or declines it with a reason.
 */
#ifndef DETENT_ABI_QUANTIZER_H
#define DETENT_ABI_QUANTIZER_H
#include "base.h"
DETENT_BEGIN_C

typedef struct detent_quantizer detent_quantizer;

/* [call] The tensor a plan is asked for. */
typedef struct detent_tensor_info {
  uint64_t struct_size;
  const detent_tensor_spec *tensor; /* name "encoder.0.attn.query.weight", shape, dtype */
  const char *layer;                /* "encoder.0.attn.query" */
  const char *layer_type;           /* "Linear", "Conv2d", "Embedding", "LSTM", ..., "" if unknown */
  const char *param;                /* "weight", "bias", "weight_ih_l0", ... */
  uint64_t layer_params;            /* elements of all floating-point tensors of the layer */
} detent_tensor_info;
DETENT_NO_TAIL(detent_tensor_info, layer_params);

/* [call] What plan fills. Exactly one of `output` (at least once) and `decline` is called; for an
 * activation (DETENT_ROLE_ACTIVATION), whose codes exist only while a model runs, `target` alone will do. */
typedef struct detent_plan_sink {
  uint64_t struct_size;
  void *ctx;
  /* The quantization target; an observer, where the user asks for one, is made for it. Not called:
   * the quantizer takes no parameters from observers, and asking for one is an error. */
  int32_t(DETENT_CALL *target)(const struct detent_plan_sink *, const detent_qspec *);
  /* A tensor that quantize will create; exact shape, or an upper bound if bound is 1. */
  int32_t(DETENT_CALL *output)(const struct detent_plan_sink *, const detent_tensor_spec *,
                               uint32_t bound);
  /* The tensor is kept as it is; reason is for people: "bias stays in floating point". */
  int32_t(DETENT_CALL *decline)(const struct detent_plan_sink *, const char *reason);
  /* The host must collect this statistic ("stat:hessian/1") of "weight" or "input"; see docs/sdk.md, quantize. */
  int32_t(DETENT_CALL *require_stat)(const struct detent_plan_sink *, const char *stat_id,
                                     const char *tensor);
  /* Scratch and kept bytes at most, for the scheduler. */
  int32_t(DETENT_CALL *memory)(const struct detent_plan_sink *, uint64_t peak_bytes);
  /* Something the user should know; code is a stable lower-case word. */
  int32_t(DETENT_CALL *warn)(const struct detent_plan_sink *, const char *code,
                             const char *message);
  /* What has to be known to read the codes back and does not depend on the data ("scheme",
   * "group_size", "packing"); value_json is one JSON value. It is stored in the artefact, and
   * dequantize finds it in its source. "scheme" is needed: the id of the mapping. "algorithm" is "rtn" when
   * the codes are the values rounded to nearest with the observer's scales, or with those of the weight's own
   * extremes; anything else, or nothing, claims more, and the host holds the plugin to it. */
  int32_t(DETENT_CALL *meta)(const struct detent_plan_sink *, const char *key,
                             const char *value_json);
} detent_plan_sink;
DETENT_NO_TAIL(detent_plan_sink, meta);

typedef struct detent_quantizer_vtbl {
  uint64_t struct_size;
  int32_t(DETENT_CALL *create)(const detent_host *, const detent_call *, const detent_config *,
                               detent_quantizer **out); /* [any] */
  void(DETENT_CALL *destroy)(detent_quantizer *);       /* [instance] */
  /* [instance] Cheap, sees no data: `detent plan` (dry run) calls it, and so does `run`.
   * DETENT_E_PARAMS when the parameters do not fit this tensor. */
  int32_t(DETENT_CALL *plan)(detent_quantizer *, const detent_call *, const detent_tensor_info *,
                             const detent_plan_sink *);
  /* [instance] stats holds what plan required, plus the observer's "scale"/"zero_point" when there is an
   * observer; never NULL, may be empty. Creates what plan declared: "qweight" (the codes) and, but for
   * plain casts, "scale". set_meta is for what was measured ("overflow_count") and goes into the report
   * only; data that dequantize needs are tensors. weight is finite: the host has looked. */
  int32_t(DETENT_CALL *quantize)(detent_quantizer *, const detent_call *, const detent_tensor *weight,
                                 const detent_tensor_source *stats, const detent_tensor_sink *);
  /* [instance] quantized holds the tensors that quantize made and the metadata of plan, perhaps in another
   * process and read back from a file. out is writable, compact, f32, of the weight's shape. */
  int32_t(DETENT_CALL *dequantize)(detent_quantizer *, const detent_call *,
                                   const detent_tensor_source *quantized, const detent_tensor *out);
  const void *(DETENT_CALL *get_extension)(const detent_quantizer *, const char *id); /* [any] */
} detent_quantizer_vtbl;
DETENT_NO_TAIL(detent_quantizer_vtbl, get_extension);

DETENT_END_C
#endif
