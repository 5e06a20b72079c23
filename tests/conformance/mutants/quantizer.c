/* SPDX-License-Identifier: Apache-2.0
 * A quantizer to int8 with a scale and a zero point for each row, right but for the one fault that
 * is planted. */
#include <stdlib.h>

#include "elements.h"

struct detent_quantizer {
  int64_t level;
  double secret; /* NEEDS_INSTANCE */
  uint64_t plans;
};

static int32_t create(const detent_host* host, const detent_call* call, const detent_config* config,
                      detent_quantizer** out) {
  (void)host;
  int64_t level = 3;
  const int32_t got = config->params->get_i64(config->params, "/level", &level);
  if ((got != DETENT_OK && got != DETENT_E_NOT_FOUND) || level < 0 || level > 8)
    return refuse(call, DETENT_E_PARAMS, "level is an integer from 0 to 8");
  detent_quantizer* q = calloc(1, sizeof *q);
  if (q == NULL) return DETENT_E_NO_MEMORY;
  q->level = level;
  misbehave();
  *out = q;
  return DETENT_OK;
}

static void destroy(detent_quantizer* q) { free(q); }

static int32_t plan(detent_quantizer* q, const detent_call* call, const detent_tensor_info* info,
                    const detent_plan_sink* sink) {
  const detent_tensor_spec* t = info->tensor;
  if (t->ndim < 2) return sink->decline(sink, "only matrices and more");
  for (int32_t d = 0; d < t->ndim; ++d)
    if (t->shape[d] == 0) return sink->decline(sink, "no elements");
  const detent_qspec target = {.struct_size = sizeof target,
                               .qdtype = DETENT_I8,
                               .scale_dtype = DETENT_F32,
                               .zero_dtype = DETENT_I8,
                               .granularity = DETENT_PER_CHANNEL,
                               .qmin = -127,
                               .qmax = 126,
                               .scheme = "detent.affine/1"};
  const detent_tensor_spec codes = {"qweight", t->shape, t->ndim,
                                    IS(OTHER_DTYPE) ? DETENT_U8 : DETENT_I8};
  const detent_tensor_spec scale = {"scale", t->shape, 1, DETENT_F32};
  const detent_tensor_spec zero = {"zero_point", t->shape, 1, DETENT_I8};
  if (IS(BOTH_WAYS)) sink->decline(sink, "on second thoughts");
  if (sink->target(sink, &target) != DETENT_OK || sink->output(sink, &codes, 0) != DETENT_OK ||
      sink->output(sink, &scale, 0) != DETENT_OK || sink->output(sink, &zero, 0) != DETENT_OK ||
      sink->meta(sink, "scheme", "\"detent.affine/1\"") != DETENT_OK ||
      sink->meta(sink, "algorithm", "\"rtn\"") != DETENT_OK ||
      (IS(PLAN_COUNTS) && sink->meta(sink, "plans", ++q->plans > 1 ? "2" : "1") != DETENT_OK))
    return refuse(call, DETENT_E_INTERNAL, "the sink takes no more");
  return sink->memory(sink, 0);
}

typedef struct {
  float scale;
  int64_t zero;
} Affine;

static Affine choose(double lo, double hi) {
  const double scale = hi / 253 - lo / 253;
  if (scale < 1.1754943508222875e-38) return (Affine){IS(ZERO_SCALE) ? 0 : 1, 0};
  double zero = nearbyint(-127 - lo / scale);
  zero = zero < -127 ? -127 : zero > 126 ? 126 : zero;
  /* No code stands for more than the largest float. */
  const double most = 3.4028e38 / (126 - zero > zero + 127 ? 126 - zero : zero + 127);
  return (Affine){(float)(scale < most ? scale : most), (int64_t)zero};
}

static int8_t code_of(double x, Affine a) {
  double code = (IS(TRUNCATES) ? trunc(x / a.scale) : nearbyint(x / a.scale)) + (double)a.zero;
  const double least = IS(CODES_BEYOND) ? -128 : -127, most = IS(CODES_BEYOND) ? 127 : 126;
  if (IS(CODES_BEYOND) && code <= -126) code = -128;
  code = code < least ? least : code > most ? most : code;
  return (int8_t)code;
}

struct job {
  const detent_call* call;
  const detent_tensor* w;
  const detent_tensor *scales, *zeros; /* of an observer, or NULL */
  char* scale;
  int8_t *zero, *codes;
  uint64_t row, order;
};

static Affine affine_of(struct job* j, uint64_t r) {
  Affine a = {1, 0};
  if (j->scales != NULL && !IS(IGNORES_GIVEN)) {
    memcpy(&a.scale, (const char*)j->scales->data + 4 * r, 4);
    a.zero = j->zeros != NULL ? ((const int8_t*)j->zeros->data)[r] : 0;
    return a;
  }
  double lo = 0, hi = 0;
  const uint64_t of = IS(NEXT_CHANNEL) ? (r + 1) % (uint64_t)j->w->shape[0] : r;
  const uint64_t begin = IS(ROWS_DEPEND) ? 0 : of * j->row;
  for (uint64_t i = begin; i < (of + 1) * j->row; ++i) {
    const double v = element(j->w, address(j->w, i));
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  return choose(lo, hi);
}

static void one_row(void* arg, uint64_t r) {
  struct job* j = arg;
  if (!IS(NEVER_ASKS) && DETENT_HAS(j->call, detent_call, cancelled) &&
      j->call->cancelled(j->call) != 0)
    return;
  Affine a = affine_of(j, r);
  if (IS(ORDER_OF_PARALLEL_FOR)) a.scale *= 1 + (float)(j->order++ % 7) / 100;
  memcpy(j->scale + 4 * r, &a.scale, 4);
  j->zero[r] = (int8_t)a.zero;
  for (uint64_t i = r * j->row; i < (r + 1) * j->row; ++i)
    j->codes[i] = code_of(element(j->w, address(j->w, i)), a);
}

static int32_t quantize(detent_quantizer* q, const detent_call* call, const detent_tensor* w,
                        const detent_tensor_source* stats, const detent_tensor_sink* sink) {
  if (!is_readable(w)) return refuse(call, DETENT_E_UNSUPPORTED, "a dtype that is not known here");
  const detent_tensor_spec specs[3] = {{"qweight", w->shape, w->ndim, DETENT_I8},
                                       {"scale", w->shape, 1, DETENT_F32},
                                       {"zero_point", w->shape, 1, DETENT_I8}};
  detent_tensor made[3];
  memset(made, 0, sizeof made);
  for (int i = 0; i < (IS(OUTPUT_MISSING) ? 2 : 3); ++i)
    if (sink->create(sink, &specs[i], &made[i]) != DETENT_OK)
      return refuse(call, DETENT_E_NO_MEMORY, "the host has no room for the codes");
  if (IS(MORE_MEMORY)) {
    volatile char* waste = malloc(64 << 20);
    for (int i = 0; waste != NULL && i < 64 << 20; i += 4096) waste[i] = 1;
    free((void*)waste);
  }
  const uint64_t rows = (uint64_t)w->shape[0];
  int8_t* spare = IS(OUTPUT_MISSING) ? malloc(rows) : NULL;
  struct job job = {call,
                    w,
                    stats->get(stats, "scale"),
                    stats->get(stats, "zero_point"),
                    made[1].data,
                    spare != NULL ? spare : made[2].data,
                    made[0].data,
                    count_of(w) / rows,
                    0};
  if (IS(TRUSTS_OLD_HOST) || DETENT_HAS(call, detent_call, parallel_for))
    call->parallel_for(call, rows, &one_row, &job);
  else
    for (uint64_t r = 0; r < rows; ++r) one_row(&job, r);
  free(spare);
  if (IS(WRITES_INPUT)) memcpy(w->data, &(float){1}, 4);
  q->secret = 1;
  return !IS(NEVER_ASKS) && DETENT_HAS(call, detent_call, cancelled) && call->cancelled(call) != 0
             ? DETENT_E_CANCELLED
             : DETENT_OK;
}

static int fits(const detent_tensor* t, detent_dtype dtype, uint64_t n) {
  if (IS(TRUSTS_ARTEFACT)) return 1;
  return t != NULL && t->dtype == dtype && count_of(t) == n;
}

static int32_t dequantize(detent_quantizer* q, const detent_call* call,
                          const detent_tensor_source* source, const detent_tensor* out) {
  const uint64_t n = count_of(out), rows = out->ndim > 0 ? (uint64_t)out->shape[0] : 1;
  const detent_tensor* codes = source->get(source, "qweight");
  const detent_tensor* scale = source->get(source, "scale");
  const detent_tensor* zero = source->get(source, "zero_point");
  if (!fits(codes, DETENT_I8, n) || !fits(scale, DETENT_F32, rows) || !fits(zero, DETENT_I8, rows))
    return refuse(call, DETENT_E_INVALID_ARG, "what is stored is not what this quantizer stores");
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t r = i / (n / rows);
    float s;
    memcpy(&s, (const char*)scale->data + 4 * r, 4);
    const int z = ((const int8_t*)zero->data)[r] + IS(ZERO_POINT_OFF);
    float x = s * (float)(((const int8_t*)codes->data)[i] - z);
    if (IS(NEEDS_INSTANCE)) x *= (float)q->secret;
    memcpy((char*)out->data + 4 * i, &x, 4);
  }
  return DETENT_OK;
}

static const detent_quantizer_vtbl vtbl = {.struct_size = sizeof(detent_quantizer_vtbl),
                                           .create = &create,
                                           .destroy = &destroy,
                                           .plan = &plan,
                                           .quantize = &quantize,
                                           .dequantize = &dequantize};
extern const detent_plugin mutant;
const detent_plugin mutant = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_QUANTIZER,
    .flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
    .id = "mutant.quantizer",
    .version = "1.0.0",
    .name = "Mutant",
    .description = "8-bit codes for each row, with at most one fault",
    .vendor = "",
    .license = "Apache-2.0",
    .params_schema =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"level\": "
        "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 8, \"default\": 3}}}",
    .vtbl = &vtbl};
