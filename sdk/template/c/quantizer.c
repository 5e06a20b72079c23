/* SPDX-License-Identifier: Apache-2.0
 *
 * @ID@: symmetric integer codes with one scale for each row of a weight.
 *
 *   q = clamp(round(x / scale[row]), -most, most)     x' = q * scale[row]     most = 2^(bits-1) - 1
 *
 * A row is an index of dimension 0: an output channel of a Linear, a filter of a convolution.
 * Scales are an observer's where there is one, otherwise of the row's own largest magnitude.
 */
#include <detent/c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct detent_quantizer {
  int64_t bits;
  int64_t most;
};

static int32_t DETENT_CALL create(const detent_host* host, const detent_call* call,
                                  const detent_config* config, detent_quantizer** out) {
  (void)host;
  if (config->role == DETENT_ROLE_ACTIVATION)
    return detent_fail(call, DETENT_E_PARAMS,
                       "@ID@ quantizes weights, not activations\n"
                       "name another quantizer under \"activation\"");
  detent_quantizer* q = (detent_quantizer*)calloc(1, sizeof *q);
  if (q == NULL) return DETENT_E_NO_MEMORY;
  q->bits = detent_param_i64(config, "/bits", 8);
  q->most = ((int64_t)1 << (q->bits - 1)) - 1;
  *out = q;
  return DETENT_OK;
}

static void DETENT_CALL destroy(detent_quantizer* q) { free(q); }

static detent_qspec target_of(const detent_quantizer* q) {
  detent_qspec target;
  memset(&target, 0, sizeof target);
  target.struct_size = sizeof target;
  target.qdtype = target.zero_dtype = DETENT_I8;
  target.scale_dtype = DETENT_F32;
  target.symmetric = 1;
  target.granularity = DETENT_PER_CHANNEL;
  target.axis = 0;
  target.qmin = -q->most;
  target.qmax = q->most;
  target.scheme = "detent.affine/1";
  return target;
}

static const char* reason_to_decline(const detent_tensor_info* info) {
  const detent_tensor_spec* t = info->tensor;
  if (!detent_is_floating_point(t->dtype)) return "not a floating-point tensor";
  if (strstr(info->param, "weight") == NULL) return "the parameter is not a weight";
  if (t->ndim < 2) return "one-dimensional parameter";
  for (int32_t d = 0; d < t->ndim; ++d)
    if (t->shape[d] == 0) return "no elements";
  return NULL;
}

/* Asked for every floating-point tensor of a layer, without data. */
static int32_t DETENT_CALL plan(detent_quantizer* q, const detent_call* call,
                                const detent_tensor_info* info, const detent_plan_sink* sink) {
  (void)call;
  const char* reason = reason_to_decline(info);
  if (reason != NULL) return sink->decline(sink, reason);
  const detent_tensor_spec* t = info->tensor;
  const detent_qspec target = target_of(q);
  const detent_tensor_spec codes = {"qweight", t->shape, t->ndim, DETENT_I8};
  const detent_tensor_spec scale = {"scale", t->shape, 1, DETENT_F32}; /* [rows] */
  char bits[8];
  snprintf(bits, sizeof bits, "%d", (int)q->bits);
  int32_t status = sink->target(sink, &target);
  if (status == DETENT_OK) status = sink->output(sink, &codes, 0);
  if (status == DETENT_OK) status = sink->output(sink, &scale, 0);
  if (status == DETENT_OK) status = sink->meta(sink, "scheme", "\"detent.affine/1\"");
  if (status == DETENT_OK) status = sink->meta(sink, "algorithm", "\"rtn\"");
  if (status == DETENT_OK) status = sink->meta(sink, "bits", bits);
  return status;
}

static float own_scale(const detent_quantizer* q, const detent_tensor* row) {
  const detent_qspec target = target_of(q);
  double largest = 0;
  detent_walk w;
  if (detent_walk_start(&w, row))
    while (detent_walk_next(&w)) largest = fabs(w.value) > largest ? fabs(w.value) : largest;
  return detent_choose_affine(-largest, largest, &target).scale;
}

/* 0 when a value is not finite. */
static int encode(const detent_quantizer* q, const detent_tensor* row, float scale, int8_t* codes) {
  const double most = (double)q->most;
  detent_walk w;
  if (!detent_walk_start(&w, row)) return 0;
  while (detent_walk_next(&w)) {
    if (!isfinite(w.value)) return 0;
    const double code = nearbyint(w.value / (double)scale);
    *codes++ = (int8_t)(code < -most ? -most : code > most ? most : code);
  }
  return 1;
}

static int32_t encode_rows(const detent_quantizer* q, const detent_call* call,
                           const detent_tensor* weight, const float* observed, float* scale,
                           int8_t* codes) {
  const int64_t rows = weight->shape[0], columns = detent_numel(weight) / rows;
  for (int64_t r = 0; r < rows; ++r) {
    if (detent_is_cancelled(call)) return DETENT_E_CANCELLED;
    const detent_tensor row = detent_row(weight, r);
    scale[r] = observed != NULL ? observed[r] : own_scale(q, &row);
    if (!(scale[r] > 0) || !isfinite(scale[r]))
      return detent_fail(call, DETENT_E_INVALID_ARG,
                         "the scale of row %lld is not a positive number", (long long)r);
    if (!encode(q, &row, scale[r], codes + r * columns))
      return detent_fail(call, DETENT_E_NUMERIC, "row %lld holds NaN or infinite values",
                         (long long)r);
  }
  return DETENT_OK;
}

static int32_t DETENT_CALL quantize(detent_quantizer* q, const detent_call* call,
                                    const detent_tensor* weight, const detent_tensor_source* stats,
                                    const detent_tensor_sink* sink) {
  void *scale = NULL, *codes = NULL;
  if (weight->ndim < 2 || !detent_is_floating_point(weight->dtype))
    return detent_fail(call, DETENT_E_UNSUPPORTED,
                       "@ID@ takes floating-point weights of two or more dimensions");
  int32_t status = detent_create(sink, "scale", DETENT_F32, 1, weight->shape, &scale);
  if (status == DETENT_OK)
    status = detent_create(sink, "qweight", DETENT_I8, weight->ndim, weight->shape, &codes);
  if (status != DETENT_OK) return detent_fail(call, status, "the host gave no room for the codes");
  if (detent_numel(weight) == 0) return DETENT_OK;
  const float* observed = (const float*)detent_get(stats, "scale", DETENT_F32, weight->shape[0]);
  return encode_rows(q, call, weight, observed, (float*)scale, (int8_t*)codes);
}

/* Perhaps in another process: everything comes from what was stored. */
static int32_t DETENT_CALL dequantize(detent_quantizer* q, const detent_call* call,
                                      const detent_tensor_source* quantized,
                                      const detent_tensor* out) {
  (void)q;
  if (out->ndim < 2 || out->dtype != DETENT_F32)
    return detent_fail(call, DETENT_E_UNSUPPORTED, "@ID@ gives float32 of two or more dimensions");
  const int64_t n = detent_numel(out), rows = out->shape[0];
  if (n == 0) return DETENT_OK;
  const int8_t* codes = (const int8_t*)detent_get(quantized, "qweight", DETENT_I8, n);
  const float* scale = (const float*)detent_get(quantized, "scale", DETENT_F32, rows);
  if (codes == NULL || scale == NULL)
    return detent_fail(call, DETENT_E_INVALID_ARG,
                       "\"qweight\" or \"scale\" is missing, or not as it was made");
  float* values = (float*)out->data;
  const int64_t columns = n / rows;
  for (int64_t i = 0; i < n; ++i) {
    if (i % columns == 0 && detent_is_cancelled(call)) return DETENT_E_CANCELLED;
    values[i] = (float)codes[i] * scale[i / columns];
  }
  return DETENT_OK;
}

static const detent_quantizer_vtbl functions = {
    .struct_size = sizeof(detent_quantizer_vtbl),
    .create = create,
    .destroy = destroy,
    .plan = plan,
    .quantize = quantize,
    .dequantize = dequantize,
};

static const char* const none[] = {NULL};
static const char* const provides[] = {"scheme:detent.affine/1", NULL};

static const detent_plugin plugin = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_QUANTIZER,
    /* Promises: the same bytes each time, and what is made of a row depends on no other row. */
    .flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
    .id = "@ID@",
    .version = "0.1.0",
    .name = "@NAME@",
    .description = "Symmetric codes of 2 to 8 bits, one scale for a row",
    .vendor = "@VENDOR@",
    .license = "Apache-2.0",
    .params_schema =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
        "\"bits\": {\"type\": \"integer\", \"minimum\": 2, \"maximum\": 8,"
        " \"default\": 8,"
        " \"description\": \"How many bits a code takes; it is stored in eight.\"}}}",
    .aliases = none,
    .provides = provides,
    .requires_ = none,
    /* What it can handle at all: the host refuses everything else before a byte is read. */
    .capabilities =
        "{\"tensor\": {\"properties\": {\"dtype\": {\"enum\": [\"F32\", \"F16\", \"BF16\", "
        "\"F64\"]}}},"
        " \"target\": {\"properties\": {\"dtype\": {\"const\": \"int8\"}, \"symmetric\": "
        "{\"const\": true},"
        " \"granularity\": {\"const\": \"per_channel\"}, \"axis\": {\"const\": 0}}}}",
    .vtbl = &functions,
};

DETENT_C_LIBRARY(plugin);
