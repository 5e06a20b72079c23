/* SPDX-License-Identifier: Apache-2.0
 *
 * One small plugin of each kind in C11, for binaries that later hosts have to load: what they do is fixed,
 * see ../README.md. plugins.cpp and plugins.rs do the same.
 */
#include <detent/abi.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t fail(const detent_call *call, int32_t code, const char *text) {
  if (DETENT_HAS(call, detent_call, fail)) call->fail(call, code, text, strlen(text));
  return code;
}

static int64_t count_elements(const detent_tensor *x) {
  int64_t n = 1;
  for (int32_t d = 0; d < x->ndim; ++d) n *= x->shape[d];
  return n;
}

/* Element i of a float32 tensor in row-major order. */
static float value_at(const detent_tensor *x, int64_t i) {
  int64_t at = 0;
  float value;
  for (int32_t d = x->ndim - 1; d >= 0; --d) {
    at += i % x->shape[d] * x->strides[d];
    i /= x->shape[d];
  }
  memcpy(&value, (const char *)x->data + x->byte_offset + at * 4, sizeof value);
  return value;
}

static double largest_of(const detent_tensor *x) {
  double largest = 0;
  for (int64_t i = 0, n = count_elements(x); i < n; ++i) {
    const float v = value_at(x, i);
    if (isfinite(v) && fabs((double)v) > largest) largest = fabs((double)v);
  }
  return largest;
}

/* ---- compat.absmax ----------------------------------------------------------------------------- */

struct detent_observer {
  double margin, largest;
};

static int32_t absmax_create(const detent_host *host, const detent_call *call, const detent_config *config,
                             detent_observer **out) {
  detent_observer *o;
  (void)host;
  if (config->qspec != NULL && config->qspec->granularity != DETENT_PER_TENSOR)
    return fail(call, DETENT_E_UNSUPPORTED, "only per tensor");
  o = (detent_observer *)calloc(1, sizeof *o);
  if (o == NULL) return DETENT_E_NO_MEMORY;
  o->margin = 1;
  config->params->get_f64(config->params, "/margin", &o->margin);
  o->largest = -1;
  *out = o;
  return DETENT_OK;
}
static void absmax_destroy(detent_observer *o) { free(o); }
static int32_t absmax_observe(detent_observer *o, const detent_call *call, const detent_tensor *x) {
  double largest;
  if (x->dtype != DETENT_F32) return fail(call, DETENT_E_UNSUPPORTED, "only float32");
  if (count_elements(x) == 0) return DETENT_OK;
  largest = largest_of(x);
  if (largest > o->largest) o->largest = largest;
  return DETENT_OK;
}
static int32_t absmax_reset(detent_observer *o, const detent_call *call) {
  (void)call;
  o->largest = -1;
  return DETENT_OK;
}
static int32_t absmax_merge(detent_observer *o, const detent_call *call, const detent_observer *other) {
  (void)call;
  if (other->largest > o->largest) o->largest = other->largest;
  return DETENT_OK;
}
static int32_t absmax_save(const detent_observer *o, const detent_call *call, const detent_ostream *to) {
  for (uint64_t done = 0; done < sizeof o->largest;) {
    const int64_t n = to->write(to, (const char *)&o->largest + done, sizeof o->largest - done);
    if (n <= 0) return fail(call, DETENT_E_IO, "the state cannot be written");
    done += (uint64_t)n;
  }
  return DETENT_OK;
}
static int32_t absmax_load(detent_observer *o, const detent_call *call, const detent_istream *from) {
  char bytes[sizeof(double) + 1]; /* one more, to see that there is none */
  double largest = -1;
  uint64_t done = 0;
  o->largest = -1;
  while (done < sizeof bytes) {
    const int64_t n = from->read(from, bytes + done, sizeof bytes - done);
    if (n < 0) return fail(call, DETENT_E_IO, "the state cannot be read");
    if (n == 0) break;
    done += (uint64_t)n;
  }
  memcpy(&largest, bytes, sizeof largest);
  if (done != sizeof largest || !(largest == -1 || (largest >= 0 && isfinite(largest))))
    return fail(call, DETENT_E_BAD_STATE, "not a state of compat.absmax");
  o->largest = largest;
  return DETENT_OK;
}
static int32_t absmax_qparams(const detent_observer *o, const detent_call *call, const detent_qspec *spec,
                              const detent_tensor_sink *sink) {
  const detent_tensor_spec scale = {.name = "scale", .shape = NULL, .ndim = 0, .dtype = DETENT_F32};
  detent_tensor made;
  float value;
  int32_t status;
  if (o->largest < 0) return fail(call, DETENT_E_NOT_READY, "no data observed");
  if (!spec->symmetric) return fail(call, DETENT_E_UNSUPPORTED, "only symmetric");
  status = sink->create(sink, &scale, &made);
  if (status != DETENT_OK) return status;
  value = (float)(o->largest * o->margin / (double)spec->qmax);
  if (!(value > 0)) value = 1;
  memcpy(made.data, &value, sizeof value);
  return DETENT_OK;
}
static const detent_observer_vtbl absmax = {.struct_size = sizeof(detent_observer_vtbl),
                                            .create = absmax_create,
                                            .destroy = absmax_destroy,
                                            .observe = absmax_observe,
                                            .reset = absmax_reset,
                                            .merge = absmax_merge,
                                            .save_state = absmax_save,
                                            .load_state = absmax_load,
                                            .compute_qparams = absmax_qparams};

/* ---- compat.int8 ------------------------------------------------------------------------------- */

struct detent_quantizer {
  int unused;
};

static int32_t int8_create(const detent_host *host, const detent_call *call, const detent_config *config,
                           detent_quantizer **out) {
  (void)host, (void)call, (void)config;
  *out = (detent_quantizer *)calloc(1, sizeof **out);
  return *out != NULL ? DETENT_OK : DETENT_E_NO_MEMORY;
}
static void int8_destroy(detent_quantizer *q) { free(q); }
static int32_t int8_plan(detent_quantizer *q, const detent_call *call, const detent_tensor_info *info,
                         const detent_plan_sink *sink) {
  const detent_qspec target = {.struct_size = sizeof target,
                               .qdtype = DETENT_I8,
                               .scale_dtype = DETENT_F32,
                               .zero_dtype = DETENT_I8,
                               .symmetric = 1,
                               .granularity = DETENT_PER_TENSOR,
                               .qmin = -127,
                               .qmax = 127,
                               .scheme = "detent.affine/1"};
  const detent_tensor_spec codes = {"qweight", info->tensor->shape, info->tensor->ndim, DETENT_I8};
  const detent_tensor_spec scale = {"scale", NULL, 0, DETENT_F32};
  int32_t status;
  (void)q, (void)call;
  if (info->tensor->ndim < 2) return sink->decline(sink, "not a matrix");
  status = sink->target(sink, &target);
  if (status == DETENT_OK) status = sink->output(sink, &codes, 0);
  if (status == DETENT_OK) status = sink->output(sink, &scale, 0);
  if (status == DETENT_OK) status = sink->meta(sink, "scheme", "\"detent.affine/1\"");
  return status;
}
static int32_t int8_quantize(detent_quantizer *q, const detent_call *call, const detent_tensor *weight,
                             const detent_tensor_source *stats, const detent_tensor_sink *sink) {
  const detent_tensor_spec codes_spec = {"qweight", weight->shape, weight->ndim, DETENT_I8};
  const detent_tensor_spec scale_spec = {"scale", NULL, 0, DETENT_F32};
  const detent_tensor *given = stats->get(stats, "scale");
  detent_tensor codes, scale;
  float step;
  int32_t status;
  (void)q;
  if (weight->dtype != DETENT_F32) return fail(call, DETENT_E_UNSUPPORTED, "only float32");
  step = (float)(largest_of(weight) / 127);
  if (!(step > 0)) step = 1;
  if (given != NULL && given->dtype == DETENT_F32)
    memcpy(&step, (const char *)given->data + given->byte_offset, sizeof step);
  status = sink->create(sink, &codes_spec, &codes);
  if (status == DETENT_OK) status = sink->create(sink, &scale_spec, &scale);
  if (status != DETENT_OK) return status;
  for (int64_t i = 0, n = count_elements(weight); i < n; ++i) {
    const double code = rint((double)value_at(weight, i) / (double)step);
    ((int8_t *)codes.data)[i] = (int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
  }
  memcpy(scale.data, &step, sizeof step);
  return DETENT_OK;
}
static int32_t int8_dequantize(detent_quantizer *q, const detent_call *call, const detent_tensor_source *from,
                               const detent_tensor *out) {
  const detent_tensor *codes = from->get(from, "qweight"), *scale = from->get(from, "scale");
  const int64_t n = count_elements(out);
  float step;
  (void)q;
  if (codes == NULL || scale == NULL || codes->dtype != DETENT_I8 || scale->dtype != DETENT_F32 ||
      count_elements(codes) != n)
    return fail(call, DETENT_E_UNSUPPORTED, "not what compat.int8 made");
  memcpy(&step, (const char *)scale->data + scale->byte_offset, sizeof step);
  for (int64_t i = 0; i < n; ++i)
    ((float *)out->data)[i] = (float)((const int8_t *)codes->data)[i] * step;
  return DETENT_OK;
}
static const detent_quantizer_vtbl int8 = {.struct_size = sizeof(detent_quantizer_vtbl),
                                           .create = int8_create,
                                           .destroy = int8_destroy,
                                           .plan = int8_plan,
                                           .quantize = int8_quantize,
                                           .dequantize = int8_dequantize};

/* ---- compat.raw -------------------------------------------------------------------------------- */

struct detent_serializer {
  const detent_file *file;
  uint64_t end, declared, added;
};

static int32_t raw_create(const detent_host *host, const detent_call *call, const detent_config *config,
                          detent_serializer **out) {
  (void)host, (void)call, (void)config;
  *out = (detent_serializer *)calloc(1, sizeof **out);
  return *out != NULL ? DETENT_OK : DETENT_E_NO_MEMORY;
}
static void raw_destroy(detent_serializer *s) { free(s); }
static int32_t raw_begin(detent_serializer *s, const detent_call *call, const detent_folder *folder,
                         const char *name) {
  (void)call;
  memset(s, 0, sizeof *s);
  return folder->open(folder, name, &s->file);
}
static int32_t raw_declare(detent_serializer *s, const detent_call *call, const detent_tensor_spec *spec) {
  (void)call, (void)spec;
  ++s->declared;
  return DETENT_OK;
}
static int32_t raw_metadata(detent_serializer *s, const detent_call *call, const char *key, const char *json) {
  (void)s, (void)call, (void)key, (void)json;
  return DETENT_OK;
}
static int32_t raw_write(detent_serializer *s, const detent_call *call, const char *bytes, uint64_t n) {
  while (n != 0) {
    const int64_t taken = s->file->pwrite(s->file, s->end, bytes, n);
    if (taken <= 0) return fail(call, DETENT_E_IO, "the file cannot be written");
    s->end += (uint64_t)taken;
    bytes += taken;
    n -= (uint64_t)taken;
  }
  return DETENT_OK;
}
/* "name\n" and the bytes, which the host hands over compact. */
static int32_t raw_add(detent_serializer *s, const detent_call *call, const char *name, const detent_tensor *x) {
  int32_t status = raw_write(s, call, name, strlen(name));
  if (status == DETENT_OK) status = raw_write(s, call, "\n", 1);
  if (status == DETENT_OK && x->data != NULL)
    status = raw_write(s, call, (const char *)x->data + x->byte_offset,
                       detent_nbytes(x->dtype, x->ndim, x->shape));
  ++s->added;
  return status;
}
static int32_t raw_finish(detent_serializer *s, const detent_call *call) {
  if (s->added != s->declared) return fail(call, DETENT_E_INVALID_ARG, "a declared tensor was not added");
  return DETENT_OK;
}
static void raw_abort(detent_serializer *s) { s->file = NULL; }
static const detent_serializer_vtbl raw = {.struct_size = sizeof(detent_serializer_vtbl),
                                           .create = raw_create,
                                           .destroy = raw_destroy,
                                           .begin = raw_begin,
                                           .declare = raw_declare,
                                           .set_metadata = raw_metadata,
                                           .add_tensor = raw_add,
                                           .finish = raw_finish,
                                           .abort = raw_abort};

/* ---- compat.sqnr ------------------------------------------------------------------------------- */

struct detent_validator {
  double min_db;
};

static int32_t sqnr_create(const detent_host *host, const detent_call *call, const detent_config *config,
                           detent_validator **out) {
  (void)host, (void)call;
  *out = (detent_validator *)calloc(1, sizeof **out);
  if (*out == NULL) return DETENT_E_NO_MEMORY;
  (*out)->min_db = 10;
  config->params->get_f64(config->params, "/min_db", &(*out)->min_db);
  return DETENT_OK;
}
static void sqnr_destroy(detent_validator *v) { free(v); }
static int32_t sqnr_check(detent_validator *v, const detent_call *call, const detent_check_input *input,
                          const detent_finding_sink *sink) {
  detent_finding finding;
  (void)call;
  if (!input->is_quantized || input->metrics == NULL) return DETENT_OK;
  memset(&finding, 0, sizeof finding);
  finding.struct_size = sizeof finding;
  finding.target = input->target;
  finding.metric = "sqnr_db";
  finding.value = input->metrics->sqnr_db;
  finding.threshold = v->min_db;
  finding.severity = finding.value < v->min_db ? DETENT_FINDING_FAIL : DETENT_FINDING_INFO;
  finding.message = "";
  return sink->report(sink, &finding);
}
static const detent_validator_vtbl sqnr = {.struct_size = sizeof(detent_validator_vtbl),
                                           .create = sqnr_create,
                                           .destroy = sqnr_destroy,
                                           .check = sqnr_check};

/* ---- the library ------------------------------------------------------------------------------- */

#define NUMBER(name, value)                                                                     \
  "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"" name                 \
  "\":{\"type\":\"number\",\"default\":" value "}}}"
#define NONE "{\"type\":\"object\",\"additionalProperties\":false}"

static const detent_plugin plugins[] = {
    {.struct_size = sizeof(detent_plugin), .kind = DETENT_KIND_OBSERVER, .state_version = 1,
     .flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC, .id = "compat.absmax", .version = "1.0.0",
     .name = "absmax", .description = "the largest magnitude", .vendor = "Detent", .license = "Apache-2.0",
     .params_schema = NUMBER("margin", "1"),
     .capabilities = "{\"target\":{\"properties\":{\"granularity\":{\"const\":\"per_tensor\"}}}}", .vtbl = &absmax},
    {.struct_size = sizeof(detent_plugin), .kind = DETENT_KIND_QUANTIZER,
     .flags = DETENT_PLUGIN_DETERMINISTIC, .id = "compat.int8", .version = "1.0.0", .name = "int8",
     .description = "one scale, symmetric", .vendor = "Detent", .license = "Apache-2.0", .params_schema = NONE,
     .vtbl = &int8},
    {.struct_size = sizeof(detent_plugin), .kind = DETENT_KIND_SERIALIZER,
     .flags = DETENT_PLUGIN_DETERMINISTIC, .id = "compat.raw", .version = "1.0.0", .name = "raw",
     .description = "names and bytes", .vendor = "Detent", .license = "Apache-2.0", .params_schema = NONE,
     .vtbl = &raw},
    {.struct_size = sizeof(detent_plugin), .kind = DETENT_KIND_VALIDATOR,
     .flags = DETENT_PLUGIN_DETERMINISTIC, .id = "compat.sqnr", .version = "1.0.0", .name = "sqnr",
     .description = "reports SQNR", .vendor = "Detent", .license = "Apache-2.0",
     .params_schema = NUMBER("min_db", "10"), .vtbl = &sqnr}};

static int32_t init(const detent_host *host, const detent_call *call) {
  (void)host, (void)call;
  return DETENT_OK;
}
static void deinit(void) {}
static uint64_t count(void) { return sizeof plugins / sizeof plugins[0]; }
static const detent_plugin *at(uint64_t i) { return i < count() ? &plugins[i] : NULL; }

static const detent_library library = {.magic = DETENT_MAGIC,
                                       .abi_major = DETENT_ABI_MAJOR,
                                       .abi_minor = DETENT_ABI_MINOR,
                                       .abi_min_minor = DETENT_ABI_MIN_MINOR,
                                       .struct_size = sizeof(detent_library),
                                       .build = "C11 " __VERSION__,
                                       .init = init,
                                       .deinit = deinit,
                                       .plugin_count = count,
                                       .plugin_at = at};

const detent_library *detent_entry(uint32_t abi_major) {
  return abi_major == DETENT_ABI_MAJOR ? &library : NULL;
}
