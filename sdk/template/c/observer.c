/* SPDX-License-Identifier: Apache-2.0
 *
 * @ID@: the largest magnitude of the whole tensor or of every channel, times a margin.
 *
 *   range [-m, m], m = margin * max|x|        NaN and infinite values are passed over
 */
#include <detent/c.h>
#include <math.h>
#include <stdlib.h>

#define NOTHING (-1.0) /* of a channel before its first finite value */

struct detent_observer {
  double margin;
  detent_qspec target;
  uint64_t channels; /* 0 before the first tensor */
  double* largest;   /* of each channel */
};

static int per_channel(const detent_observer* o) {
  return o->target.granularity == DETENT_PER_CHANNEL;
}

static double larger(double a, double b) { return a < b ? b : a; }

/* A state of that many channels that have seen nothing; 0 when there is no memory. */
static double* make_state(uint64_t channels) {
  double* largest = channels <= SIZE_MAX / sizeof *largest
                        ? (double*)malloc((size_t)channels * sizeof *largest)
                        : NULL;
  for (uint64_t c = 0; largest != NULL && c < channels; ++c) largest[c] = NOTHING;
  return largest;
}

static void set_state(detent_observer* o, double* largest, uint64_t channels) {
  if (largest != o->largest) free(o->largest);
  o->largest = largest;
  o->channels = channels;
}

static int32_t DETENT_CALL create(const detent_host* host, const detent_call* call,
                                  const detent_config* config, detent_observer** out) {
  (void)host;
  if (config->qspec->granularity != DETENT_PER_TENSOR &&
      config->qspec->granularity != DETENT_PER_CHANNEL)
    return detent_fail(call, DETENT_E_UNSUPPORTED,
                       "@ID@ has one range for each tensor or channel, none for groups\n"
                       "use a quantizer with \"per_tensor\" or \"per_channel\"");
  detent_observer* o = (detent_observer*)calloc(1, sizeof *o);
  if (o == NULL) return DETENT_E_NO_MEMORY;
  o->margin = detent_param_f64(config, "/margin", 1.0);
  o->target = *config->qspec;
  *out = o;
  return DETENT_OK;
}

static void DETENT_CALL destroy(detent_observer* o) {
  if (o == NULL) return;
  free(o->largest);
  free(o);
}

static int32_t DETENT_CALL reset(detent_observer* o, const detent_call* call) {
  (void)call;
  set_state(o, NULL, 0);
  return DETENT_OK;
}

/* x is lent for this call: of any strides, to be read only. */
static int32_t DETENT_CALL observe(detent_observer* o, const detent_call* call,
                                   const detent_tensor* x) {
  const int32_t axis = o->target.axis;
  detent_walk w;
  if (!detent_is_floating_point(x->dtype))
    return detent_fail(call, DETENT_E_UNSUPPORTED,
                       "@ID@ observes floating-point tensors, not this dtype");
  if (detent_numel(x) == 0) return DETENT_OK;
  if (per_channel(o) && axis >= x->ndim)
    return detent_fail(call, DETENT_E_UNSUPPORTED, "the tensor has no dimension %d", axis);
  if (!detent_walk_start(&w, x))
    return detent_fail(call, DETENT_E_UNSUPPORTED, "the tensor has %d dimensions", x->ndim);
  const uint64_t channels = per_channel(o) ? (uint64_t)x->shape[axis] : 1;
  if (o->channels == 0) {
    double* largest = make_state(channels);
    if (largest == NULL) return DETENT_E_NO_MEMORY;
    set_state(o, largest, channels);
  }
  if (o->channels != channels)
    return detent_fail(call, DETENT_E_UNSUPPORTED,
                       "the tensor has %llu channels, before it were %llu",
                       (unsigned long long)channels, (unsigned long long)o->channels);
  for (uint64_t seen = 1; detent_walk_next(&w); ++seen) {
    double* m = &o->largest[per_channel(o) ? w.index[axis] : 0];
    if (isfinite(w.value)) *m = larger(*m, fabs(w.value));
    if (seen % 65536 == 0 && detent_is_cancelled(call)) return DETENT_E_CANCELLED;
  }
  return DETENT_OK;
}

/* What two instances that saw a part each know together. */
static int32_t DETENT_CALL merge(detent_observer* o, const detent_call* call,
                                 const detent_observer* other) {
  if (other->channels == 0) return DETENT_OK;
  if (o->channels == 0) {
    double* largest = make_state(other->channels);
    if (largest == NULL) return DETENT_E_NO_MEMORY;
    set_state(o, largest, other->channels);
  }
  if (o->channels != other->channels)
    return detent_fail(call, DETENT_E_INVALID_ARG,
                       "states of another number of channels cannot be merged");
  for (uint64_t c = 0; c < o->channels; ++c)
    o->largest[c] = larger(o->largest[c], other->largest[c]);
  return DETENT_OK;
}

static int32_t DETENT_CALL save_state(const detent_observer* o, const detent_call* call,
                                      const detent_ostream* out) {
  const int written = detent_write(out, &o->channels, sizeof o->channels) &&
                      detent_write(out, o->largest, o->channels * sizeof *o->largest);
  return written ? DETENT_OK : detent_fail(call, DETENT_E_IO, "the state could not be written");
}

/* Grows with what is really there: a number of channels that lies costs no memory. NULL unless all
 * of them came and are sound. */
static double* read_channels(detent_reader* in, uint64_t channels) {
  const uint64_t step = 65536;
  double* largest = NULL;
  for (uint64_t done = 0; done < channels;) {
    const uint64_t n = channels - done < step ? channels - done : step;
    double* grown = (double*)realloc(largest, (size_t)(done + n) * sizeof *largest);
    int sound = grown != NULL && detent_read(in, grown + done, n * sizeof *grown);
    if (grown != NULL) largest = grown;
    for (uint64_t c = done; sound && c < done + n; ++c)
      sound = largest[c] == NOTHING || (largest[c] >= 0 && isfinite(largest[c]));
    if (!sound) {
      free(largest);
      return NULL;
    }
    done += n;
  }
  return largest;
}

/* The bytes may come from anywhere. On error the instance is as after reset. */
static int32_t DETENT_CALL load_state(detent_observer* o, const detent_call* call,
                                      const detent_istream* stream) {
  const uint64_t most = per_channel(o) ? UINT64_C(1) << 32 : 1;
  detent_reader in = {stream, 0};
  uint64_t channels = 0;
  double* largest = NULL;
  set_state(o, NULL, 0);
  int sound = detent_read(&in, &channels, sizeof channels) && channels <= most;
  if (sound) largest = read_channels(&in, channels);
  sound = sound && (largest != NULL || channels == 0) && detent_at_end(&in);
  if (sound) {
    set_state(o, largest, channels);
    return DETENT_OK;
  }
  free(largest);
  if (in.failed) return detent_fail(call, DETENT_E_IO, "the state could not be read");
  return detent_fail(call, DETENT_E_BAD_STATE, "not a state of @ID@");
}

static int32_t DETENT_CALL compute_qparams(const detent_observer* o, const detent_call* call,
                                           const detent_qspec* target,
                                           const detent_tensor_sink* sink) {
  if (target->granularity != o->target.granularity || target->axis != o->target.axis)
    return detent_fail(call, DETENT_E_UNSUPPORTED,
                       "the target's channels are not those that were observed");
  double seen = NOTHING;
  for (uint64_t c = 0; c < o->channels; ++c) seen = larger(seen, o->largest[c]);
  if (seen < 0)
    return detent_fail(call, DETENT_E_NOT_READY,
                       "no finite value was observed\ncheck the calibration data");
  double *low = make_state(o->channels), *high = make_state(o->channels);
  const char* why = "not enough memory";
  int32_t status = DETENT_E_NO_MEMORY;
  if (low != NULL && high != NULL) {
    for (uint64_t c = 0; c < o->channels; ++c) {
      high[c] = larger(o->largest[c], 0.0) * o->margin;
      low[c] = -high[c];
    }
    const int64_t shape = (int64_t)o->channels; /* [] per tensor, [channels] per channel */
    status = detent_put_affine(sink, target, per_channel(o) ? 1 : 0, &shape, o->channels, low, high,
                               &why);
  }
  free(low);
  free(high);
  return why == NULL ? status : detent_fail(call, status, "%s", why);
}

static const detent_observer_vtbl functions = {
    .struct_size = sizeof(detent_observer_vtbl),
    .create = create,
    .destroy = destroy,
    .observe = observe,
    .reset = reset,
    .merge = merge,
    .save_state = save_state,
    .load_state = load_state,
    .compute_qparams = compute_qparams,
};

static const char* const none[] = {NULL};

static const detent_plugin plugin = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_OBSERVER,
    .state_version = 1, /* goes up when the bytes of save_state change */
    /* Promises: a maximum does not depend on order or grouping, and a row's on no other row. */
    .flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
    .id = "@ID@",
    .version = "0.1.0",
    .name = "@NAME@",
    .description = "Range [-m, m] of the largest magnitude m",
    .vendor = "@VENDOR@",
    .license = "Apache-2.0",
    /* The host checks parameters against this before create, and fills in defaults. */
    .params_schema =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
        "\"margin\": {\"type\": \"number\", \"minimum\": 1, \"maximum\": 100,"
        " \"default\": 1, \"description\": \"Widens the range.\"}}}",
    .aliases = none,
    .provides = none,
    .requires_ = none,
    /* What it can handle at all: the host refuses everything else before a byte is read. */
    .capabilities =
        "{\"tensor\": {\"properties\": {\"dtype\": {\"enum\": [\"F32\", \"F16\", \"BF16\", "
        "\"F64\"]}}},"
        " \"target\": {\"properties\": {\"granularity\": {\"enum\": [\"per_tensor\", "
        "\"per_channel\"]}}}}",
    .vtbl = &functions,
};

DETENT_C_LIBRARY(plugin);
