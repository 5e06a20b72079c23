/* SPDX-License-Identifier: Apache-2.0
 * An observer that keeps minimum and maximum, right but for the one fault that is planted. */
#include <stdlib.h>

#include "elements.h"

enum { SLOTS = 4096, STEP = 4096 };

typedef struct {
  double lo, hi;
  double sum; /* MERGE_IN_FLOAT */
} Range;

struct detent_observer {
  detent_qspec target;
  uint64_t level;
  uint64_t slots, seen, non_finite;
  uint64_t row, outer; /* of the first tensor */
  const detent_tensor* kept;
  Range ranges[SLOTS];
};

static detent_observer only; /* ONE_INSTANCE */

static void clear(detent_observer* o) {
  o->slots = o->seen = o->non_finite = o->row = o->outer = 0;
  if (IS(RESET_FORGETS) && o->ranges[0].hi > 0) return;
  for (int i = 0; i < SLOTS; ++i) o->ranges[i] = (Range){INFINITY, -INFINITY, 0};
}

static int32_t create(const detent_host* host, const detent_call* call, const detent_config* config,
                      detent_observer** out) {
  (void)host;
  int64_t level = 3;
  detent_qspec target = {0};
  const int32_t got = config->params->get_i64(config->params, "/level", &level);
  if (got != DETENT_OK && got != DETENT_E_NOT_FOUND)
    return refuse(call, DETENT_E_PARAMS, "level is not an integer");
  if (!IS(TRUSTS_PARAMETERS) && (level < 0 || level > (IS(SCHEMA_LIES) ? 7 : 8)))
    return refuse(call, DETENT_E_PARAMS, "level is 0 to 8");
  memcpy(&target, config->qspec,
         config->qspec->struct_size < sizeof target ? config->qspec->struct_size : sizeof target);
  if (target.granularity > DETENT_PER_GROUP)
    return refuse(call, DETENT_E_UNSUPPORTED, "there are no blocks here");
  if (IS(EXACT_SIZES) && config->struct_size > sizeof *config)
    return refuse(call, DETENT_E_UNSUPPORTED, "a config of another size");
  detent_observer* o = IS(ONE_INSTANCE) ? &only : malloc(sizeof *o);
  if (o == NULL) return DETENT_E_NO_MEMORY;
  memset(o, 0, sizeof *o);
  o->target = target;
  if (IS(TRUSTS_PARAMETERS)) o->ranges[level * 100000].lo = 1;
  o->level = (uint64_t)level;
  clear(o);
  misbehave();
  *out = o;
  return DETENT_OK;
}

static void destroy(detent_observer* o) {
  if (!IS(ONE_INSTANCE)) free(o);
}

static uint64_t groups(const detent_observer* o) {
  const uint64_t size = (uint64_t)o->target.group_size;
  return (o->row + size - 1) / size;
}

static uint64_t slot_of(const detent_observer* o, const detent_tensor* x, uint64_t i) {
  if (o->target.granularity == DETENT_PER_TENSOR) return 0;
  if (o->target.granularity == DETENT_PER_GROUP)
    return i / o->row * groups(o) + i % o->row / (uint64_t)o->target.group_size;
  for (int32_t d = x->ndim - 1; d > o->target.axis; --d) i /= (uint64_t)x->shape[d];
  return i % (uint64_t)x->shape[o->target.axis];
}

static int32_t shape_up(detent_observer* o, const detent_call* call, const detent_tensor* x) {
  const int is_channel = o->target.granularity == DETENT_PER_CHANNEL;
  if (is_channel && o->target.axis >= x->ndim)
    return refuse(call, DETENT_E_INVALID_ARG, "the tensor has no such axis");
  const uint64_t n = count_of(x);
  o->outer = x->ndim < 2 ? 1 : (uint64_t)x->shape[0];
  o->row = n / o->outer;
  uint64_t slots = 1;
  if (is_channel) slots = (uint64_t)x->shape[o->target.axis];
  if (o->target.granularity == DETENT_PER_GROUP) slots = o->outer * groups(o);
  if (slots > SLOTS) return refuse(call, DETENT_E_UNSUPPORTED, "too many ranges");
  if (o->seen != 0 && slots != o->slots)
    return refuse(call, DETENT_E_INVALID_ARG, "another shape than before");
  o->slots = slots;
  return DETENT_OK;
}

static void add(detent_observer* o, uint64_t slot, double v) {
  Range* r = &o->ranges[slot];
  if (IS(NAN_POISONS) ? 0 : !isfinite(v)) {
    ++o->non_finite;
    return;
  }
  ++o->seen;
  r->sum = (float)(r->sum + v * 1.1);
  if (!(v >= r->lo)) r->lo = v;
  if (!(v <= r->hi)) r->hi = v;
}

struct piece {
  detent_observer* o;
  const detent_tensor* x;
};
static void first_of_all(void* arg, uint64_t i) {
  struct piece* p = arg;
  if (p->o->non_finite == 0) p->o->non_finite = 1000 + i;
}

static int32_t observe(detent_observer* o, const detent_call* call, const detent_tensor* x) {
  if (!is_readable(x)) return refuse(call, DETENT_E_UNSUPPORTED, "a dtype that is not known here");
  const uint64_t n = count_of(x);
  if (n == 0) {
    if (IS(EMPTY_COUNTS)) ++o->seen;
    return DETENT_OK;
  }
  const int32_t shaped = shape_up(o, call, x);
  if (shaped != DETENT_OK) return shaped;
  if (IS(ORDER_OF_PARALLEL_FOR) && n > STEP) {
    struct piece piece = {o, x};
    call->parallel_for(call, 8, &first_of_all, &piece);
  }
  if (IS(TRUSTS_OLD_HOST)) call->progress(call, 0, n);
  const uint64_t end = IS(READS_PAST_END) ? n + 16 : n;
  for (uint64_t i = 0; i < end; ++i) {
    if (i % STEP == 0 && !IS(NEVER_ASKS) && DETENT_HAS(call, detent_call, cancelled) &&
        call->cancelled(call) != 0)
      return DETENT_E_CANCELLED;
    if (i >= n) {
      volatile double unused =
          element(x, (const char*)x->data + i * DETENT_DTYPE_BITS(x->dtype) / 8);
      (void)unused;
      continue;
    }
    double v = element(x, address(x, i));
    if (IS(ROWS_DEPEND) && i >= o->row && n < STEP) v += element(x, address(x, 0)) / 64;
    add(o, slot_of(o, x, i), v);
  }
  if (IS(WRITES_INPUT)) memcpy(x->data, &(float){1}, 4);
  o->kept = x;
  return DETENT_OK;
}

static int32_t reset(detent_observer* o, const detent_call* call) {
  (void)call;
  clear(o);
  return DETENT_OK;
}

static int32_t merge(detent_observer* o, const detent_call* call, const detent_observer* other) {
  if (other->seen == 0 && !IS(MERGE_POISONS_FRESH)) return DETENT_OK;
  if (o->seen != 0 && o->slots != other->slots && !IS(MERGE_POISONS_FRESH))
    return refuse(call, DETENT_E_INVALID_ARG, "the other one has other ranges");
  o->slots = other->slots > o->slots ? other->slots : o->slots;
  o->row = other->row, o->outer = other->outer;
  o->seen += other->seen;
  if (IS(MERGE_POISONS_FRESH)) ++o->seen;
  o->non_finite += other->non_finite;
  for (uint64_t i = 0; i < o->slots; ++i) {
    Range* r = &o->ranges[i];
    const Range* s = &other->ranges[i];
    if (s->lo < r->lo) r->lo = s->lo;
    if (s->hi > r->hi && !IS(MERGE_FORGETS)) r->hi = s->hi;
    r->sum = (float)(r->sum + s->sum);
    if (IS(MERGE_SWAPS)) ((Range*)s)->hi = r->hi;
  }
  return DETENT_OK;
}

static int put(const detent_ostream* out, const void* data, uint64_t n) {
  const char* p = data;
  while (n > 0) {
    const int64_t taken = out->write(out, p, n);
    if (IS(ONE_WRITE)) return 1;
    if (taken <= 0) return 0;
    p += taken, n -= (uint64_t)taken;
  }
  return 1;
}

static int get(const detent_istream* in, void* data, uint64_t n) {
  char* p = data;
  while (n > 0) {
    const int64_t got = in->read(in, p, n);
    if (got <= 0) return 0;
    p += got, n -= (uint64_t)got;
  }
  return 1;
}

static int32_t save(const detent_observer* o, const detent_call* call, const detent_ostream* out) {
  uint64_t head[5] = {o->slots, o->seen, o->non_finite, o->row, o->outer};
  if (IS(SAVES_POINTER) && o->seen != 0) head[3] ^= (uint64_t)(uintptr_t)o << 16;
  int ok = put(out, head, sizeof head);
  for (uint64_t i = 0; i < o->slots; ++i) {
    ok = ok && put(out, &o->ranges[i].lo, 8) && put(out, &o->ranges[i].hi, 8);
    if (IS(MERGE_IN_FLOAT)) ok = ok && put(out, &o->ranges[i].sum, 8);
  }
  return ok ? DETENT_OK : refuse(call, DETENT_E_IO, "the stream takes no more");
}

static int32_t bad_state(detent_observer* o, const detent_call* call, const char* text) {
  clear(o);
  return refuse(call, DETENT_E_BAD_STATE, text);
}

static int32_t load(detent_observer* o, const detent_call* call, const detent_istream* in) {
  uint64_t head[5] = {0};
  clear(o);
  if (!get(in, head, sizeof head) && !IS(LOADS_TRUNCATED))
    return bad_state(o, call, "the state is too short");
  if (IS(SAVES_POINTER) && head[1] != 0) head[3] = 50;
  if (head[0] > SLOTS && !IS(TRUSTS_STATE)) return bad_state(o, call, "too many ranges");
  const uint64_t size = (uint64_t)o->target.group_size;
  const int grouped = o->target.granularity == DETENT_PER_GROUP && head[0] != 0;
  if (grouped && !IS(TRUSTS_STATE) && !IS(SAVES_POINTER) &&
      (head[3] > SLOTS * size || head[4] > SLOTS ||
       head[4] * ((head[3] + size - 1) / size) != head[0]))
    return bad_state(o, call, "the groups do not fit the rows");
  o->slots = head[0], o->seen = head[1], o->non_finite = head[2], o->row = head[3],
  o->outer = head[4];
  for (uint64_t i = 0; i < head[0]; ++i) {
    Range* r = &o->ranges[i];
    if (IS(TRUSTS_STATE) && i >= SLOTS) ((volatile char*)o)[i * 64] = 1;
    if (!(get(in, &r->lo, 8) && get(in, &r->hi, 8) &&
          (!IS(MERGE_IN_FLOAT) || get(in, &r->sum, 8))) &&
        !IS(LOADS_TRUNCATED) && !IS(TRUSTS_STATE))
      return bad_state(o, call, "the state is too short");
  }
  char rest;
  if (!IS(LOADS_TRAILING) && get(in, &rest, 1)) return bad_state(o, call, "the state is too long");
  return DETENT_OK;
}

/* A tensor of as many entries as there are ranges. */
static int32_t make(const detent_observer* o, const detent_tensor_sink* sink, const char* name,
                    detent_dtype dtype, detent_tensor* out) {
  int64_t shape[2] = {(int64_t)o->slots, 0};
  detent_tensor_spec spec = {name, shape, 1, dtype};
  if (o->target.granularity == DETENT_PER_TENSOR) spec.ndim = 0, spec.shape = NULL;
  if (o->target.granularity == DETENT_PER_GROUP) {
    shape[0] = (int64_t)o->outer, shape[1] = (int64_t)groups(o);
    spec.ndim = 2;
  }
  return sink->create(sink, &spec, out);
}

static float scale_of(const Range* r, const detent_qspec* q, int64_t* zero) {
  const double lo = r->lo < 0 ? r->lo : 0, hi = r->hi > 0 ? r->hi : 0;
  const double steps = (double)(q->qmax - q->qmin);
  double scale = q->symmetric ? (hi > -lo ? hi : -lo) / (double)q->qmax : hi / steps - lo / steps;
  if (IS(OVERFLOWS) && !q->symmetric) scale = ((float)hi - (float)lo) / (float)steps;
  *zero = 0;
  if (scale < 1.1754943508222875e-38) {
    if (IS(NAN_OF_ZEROS)) return (float)(scale / scale);
    if (!q->symmetric) *zero = q->qmin > 0 ? q->qmin : 0;
    return 1;
  }
  if (!q->symmetric) *zero = (int64_t)nearbyint((double)q->qmin - lo / scale);
  if (IS(WRONG_ZERO_POINT)) *zero = q->qmax;
  if (*zero < q->qmin) *zero = q->qmin;
  if (*zero > q->qmax) *zero = q->qmax;
  return (float)scale;
}

static int32_t compute_qparams(const detent_observer* o, const detent_call* call,
                               const detent_qspec* q, const detent_tensor_sink* sink) {
  detent_tensor scale, zero;
  if (q->struct_size >= sizeof *q && (q->affine_rules & ~DETENT_AFFINE_ALL) != 0)
    return refuse(call, DETENT_E_UNSUPPORTED, "a rule that is not known here");
  if (o->seen == 0 && !IS(READY_TOO_SOON))
    return refuse(call, DETENT_E_NOT_READY, "nothing was observed");
  if (make(o, sink, "scale", DETENT_F32, &scale) != DETENT_OK ||
      (!q->symmetric && make(o, sink, "zero_point", DETENT_I8, &zero) != DETENT_OK))
    return refuse(call, DETENT_E_NO_MEMORY, "no room for the scales");
  const uint64_t n = o->slots;
  for (uint64_t i = 0; i < n && scale.data != NULL; ++i) {
    int64_t z = 0;
    const float s = scale_of(&o->ranges[i], q, &z);
    memcpy((char*)scale.data + 4 * i, &s, 4);
    if (!q->symmetric) ((int8_t*)zero.data)[i] = (int8_t)z;
  }
  if (IS(KEEPS_INPUT) && o->kept != NULL) {
    volatile double again = element(o->kept, o->kept->data);
    (void)again;
  }
  return DETENT_OK;
}

static int32_t compute_stat(const detent_observer* o, const detent_call* call, const char* id,
                            const detent_tensor_sink* sink) {
  detent_tensor lo, hi;
  if (strcmp(id, "stat:minmax/1") != 0)
    return refuse(call, DETENT_E_NOT_FOUND, "no such statistic");
  if (o->seen == 0) return refuse(call, DETENT_E_NOT_READY, "nothing was observed");
  if (make(o, sink, "min", DETENT_F64, &lo) != DETENT_OK ||
      make(o, sink, "max", DETENT_F64, &hi) != DETENT_OK)
    return refuse(call, DETENT_E_NO_MEMORY, "no room for the statistic");
  for (uint64_t i = 0; i < o->slots; ++i) {
    memcpy((char*)lo.data + 8 * i, IS(WRONG_STATISTIC) ? &o->ranges[i].hi : &o->ranges[i].lo, 8);
    memcpy((char*)hi.data + 8 * i, &o->ranges[i].hi, 8);
  }
  return DETENT_OK;
}

static const detent_observer_vtbl vtbl = {.struct_size = sizeof(detent_observer_vtbl),
                                          .create = &create,
                                          .destroy = &destroy,
                                          .observe = &observe,
                                          .reset = &reset,
                                          .merge = &merge,
                                          .save_state = &save,
                                          .load_state = &load,
                                          .compute_qparams = &compute_qparams,
                                          .compute_stat = &compute_stat};
static const char* const provides[] = {"stat:minmax/1", "range:minmax", NULL};
extern const detent_plugin mutant;
const detent_plugin mutant = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_OBSERVER,
    .state_version = 1,
    .flags = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
    .id = "mutant.observer",
    .version = IS(BAD_VERSION) ? "one" : "1.0.0",
    .name = "Mutant",
    .description = "Minimum and maximum, with at most one fault",
    .vendor = "",
    .license = "Apache-2.0",
    .params_schema =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"level\": "
        "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 8, \"default\": 3}}}",
    .provides = provides,
    .vtbl = &vtbl};
