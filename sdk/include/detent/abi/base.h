/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/base.h - what every interface of the Detent plugin ABI shares, version 0.9.
 *
 * Pure C11 / C++17. No dependency but <stdint.h> and <stddef.h>. Every name that
 * crosses the boundary is declared here or in a sibling header; nothing of the
 * C++ standard library, LibTorch or Boost ever does.
 *
 * RULES OF THE BOUNDARY
 *  R1  Borrowing. A pointer passed in either direction is valid until the call
 *      returns, unless the comment says otherwise. Nobody frees the other's memory:
 *      results go into buffers which the host hands out (sinks, streams, scratch).
 *  R2  Errors. Functions return int32_t: DETENT_OK or a DETENT_E_ code, text through
 *      detent_call.fail: the first line says what is wrong, a second one (if any) what to do.
 *      No C++ exception, Rust panic or longjmp leaves a function.
 *  R3  Threads. [any] any thread, concurrently. [instance] any thread, the host never
 *      makes two of these calls on one instance at once. [call] only inside the
 *      call which got the pointer, on its thread.
 *  R4  Growth. Structs grow only at the end, in a minor version; the first field is the
 *      size that the *filler* was compiled with. Readers test DETENT_HAS. Structs marked
 *      FROZEN never grow. No struct ends in padding (see the static asserts), so
 *      a new field can never hide inside an old struct_size. Nothing is removed, moved or given
 *      another meaning. What is a subsystem of its own, or a draft, is an extension by id.
 *  R5  No by-value structs, no bool, no enum, no long, no size_t, no bit-fields, no
 *      unions, no varargs, no arrays of growing structs. Strings are UTF-8.
 *  R6  Determinism. Same inputs, same call order => same bytes, whatever the number of
 *      threads behind parallel_for.
 *  R7  The plugin leaves process state alone: locale, cwd, environment, signal handlers,
 *      floating-point control word, RNG of libc, stdout.
 */
#ifndef DETENT_ABI_BASE_H
#define DETENT_ABI_BASE_H

#include <stddef.h>
#include <stdint.h>

/* 0.9 is the form that 1.0 will have: from here on R4 holds, a host takes every plugin of its major whose
 * abi_min_minor it reaches, however much older or newer that plugin is, and a host of 1.x asks for major 0 as well.
 * Plugins of the drafts before (0.1) are refused. */
#define DETENT_ABI_MAJOR 0u
#define DETENT_ABI_MINOR 9u
#define DETENT_ABI_FIRST_MINOR 9u /* the first that is frozen in form */
/* The lowest minor of a host that the plugin being compiled works with; define a higher one before the first
 * include if it calls what came later without looking (DETENT_HAS). */
#ifndef DETENT_ABI_MIN_MINOR
#define DETENT_ABI_MIN_MINOR DETENT_ABI_FIRST_MINOR
#endif
#define DETENT_MAGIC 0x544E5444u /* "DTNT", first four bytes of detent_library */

#if defined(_WIN32)
#define DETENT_CALL __cdecl
#define DETENT_EXPORT __declspec(dllexport)
#else
#define DETENT_CALL
#define DETENT_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
#define DETENT_STATIC_ASSERT(c, m) static_assert(c, m)
#define DETENT_BEGIN_C extern "C" {
#define DETENT_END_C }
#else
#define DETENT_STATIC_ASSERT(c, m) _Static_assert(c, m)
#define DETENT_BEGIN_C
#define DETENT_END_C
#endif

/* Bytes of T up to and including field f. */
#define DETENT_SIZE_UPTO(T, f) (offsetof(T, f) + sizeof(((T *)0)->f))
/* Does the other side's struct have field f, and is it set? */
#define DETENT_HAS(p, T, f) \
  ((p) != NULL && (p)->struct_size >= (uint64_t)DETENT_SIZE_UPTO(T, f) && (p)->f != NULL)
/* The same of a field that is no pointer: was it there when the other side was compiled? */
#define DETENT_HAS_FIELD(p, T, f) \
  ((p) != NULL && (p)->struct_size >= (uint64_t)DETENT_SIZE_UPTO(T, f))
/* R4: no tail padding. Used once per struct. */
#define DETENT_NO_TAIL(T, last) \
  DETENT_STATIC_ASSERT(sizeof(T) == DETENT_SIZE_UPTO(T, last), #T " ends in padding")

DETENT_STATIC_ASSERT(sizeof(void *) == 8, "the Detent ABI is defined for 64-bit targets");

DETENT_BEGIN_C

/* ---- status ------------------------------------------------------------------ */
#define DETENT_OK 0
#define DETENT_E_INTERNAL 1    /* bug in the callee; also: any code not listed here */
#define DETENT_E_INVALID_ARG 2 /* caller broke the contract */
#define DETENT_E_UNSUPPORTED 3 /* dtype, shape, device or scheme not handled: host may fall back */
#define DETENT_E_PARAMS 4      /* params_json refused */
#define DETENT_E_NO_MEMORY 5
#define DETENT_E_CANCELLED 6
#define DETENT_E_BAD_STATE 7   /* load_state: blob not ours, truncated, other version */
#define DETENT_E_NOT_READY 8   /* e.g. compute_qparams before any observe */
#define DETENT_E_IO 9          /* a stream of the host failed */
#define DETENT_E_NUMERIC 10    /* NaN/Inf where the plugin cannot go on */
#define DETENT_E_NOT_FOUND 11
#define DETENT_E_CRASHED 1000  /* made by the host only: isolated worker died */
#define DETENT_E_TIMEOUT 1001  /* made by the host only */

/* ---- dtype -------------------------------------------------------------------
 * One uint32_t so that it works in a switch; on little-endian machines its bytes are
 * those of DLPack's DLDataType {uint8_t code, uint8_t bits, uint16_t lanes}. */
typedef uint32_t detent_dtype;
#define DETENT_DTYPE(code, bits) ((uint32_t)(code) | ((uint32_t)(bits) << 8) | (1u << 16))
#define DETENT_DTYPE_CODE(d) ((uint32_t)(d) & 0xFFu)
#define DETENT_DTYPE_BITS(d) (((uint32_t)(d) >> 8) & 0xFFu)
#define DETENT_I4 DETENT_DTYPE(0, 4)
#define DETENT_I8 DETENT_DTYPE(0, 8)
#define DETENT_I16 DETENT_DTYPE(0, 16)
#define DETENT_I32 DETENT_DTYPE(0, 32)
#define DETENT_I64 DETENT_DTYPE(0, 64)
#define DETENT_U4 DETENT_DTYPE(1, 4)
#define DETENT_U8 DETENT_DTYPE(1, 8)
#define DETENT_U16 DETENT_DTYPE(1, 16)
#define DETENT_U32 DETENT_DTYPE(1, 32)
#define DETENT_U64 DETENT_DTYPE(1, 64)
#define DETENT_F16 DETENT_DTYPE(2, 16)
#define DETENT_F32 DETENT_DTYPE(2, 32)
#define DETENT_F64 DETENT_DTYPE(2, 64)
#define DETENT_BF16 DETENT_DTYPE(4, 16)
#define DETENT_BOOL DETENT_DTYPE(6, 8)
#define DETENT_F8_E4M3FN DETENT_DTYPE(10, 8)
#define DETENT_F8_E4M3FNUZ DETENT_DTYPE(11, 8)
#define DETENT_F8_E5M2 DETENT_DTYPE(12, 8)
#define DETENT_F8_E5M2FNUZ DETENT_DTYPE(13, 8)
#define DETENT_F8_E8M0FNU DETENT_DTYPE(14, 8) /* MX block scales */
#define DETENT_F4_E2M1FN DETENT_DTYPE(17, 4)

/* ---- tensor view -------------------------------------------------------------
 * FROZEN. The first 48 bytes are DLPack's DLTensor (major version 1), so a host or a
 * plugin may cast. What DLTensor lacks and a quantizer needs is behind it: the size
 * of the buffer (bounds can be checked; sub-byte sizes are not derivable from
 * DLTensor) and read-only. */
#define DETENT_DEVICE_CPU 1 /* the only device so far; numbers are DLDeviceType's */

#define DETENT_TENSOR_READ_ONLY (UINT64_C(1) << 0)

/* FROZEN */
typedef struct detent_tensor {
  void *data;             /* NULL iff there are no elements. Aligned to the element only. */
  int32_t device_type;    /* DETENT_DEVICE_CPU */
  int32_t device_id;      /* 0 */
  int32_t ndim;           /* >= 0; 0 is a scalar */
  detent_dtype dtype;
  const int64_t *shape;   /* ndim entries, each >= 0. NULL iff ndim == 0 */
  const int64_t *strides; /* in elements, ndim entries, never NULL if ndim > 0 (as DLPack 1.2);
                             may be 0 (broadcast) or negative on inputs */
  uint64_t byte_offset;   /* from data to element 0; 0 on everything the host hands out */
  uint64_t nbytes;        /* bytes reachable: data+[0,nbytes) covers every element */
  uint64_t flags;
} detent_tensor;
/* Sub-byte dtypes are compact and row-major; within a row (the last dimension) element i is in bits
 * [i*bits, i*bits+bits) of a little-endian bit string (the low nibble first, as in DLPack). Each row
 * starts on a byte, so rows can be written in parallel; unused high bits are zero. Same bytes as DLPack
 * when shape[ndim-1]*bits is a multiple of 8; otherwise a host must repack before calling it DLTensor. */
DETENT_NO_TAIL(detent_tensor, flags);
DETENT_STATIC_ASSERT(sizeof(detent_tensor) == 64, "detent_tensor is frozen");
DETENT_STATIC_ASSERT(offsetof(detent_tensor, byte_offset) == 40, "DLTensor prefix");

/* Bytes of a compact tensor, UINT64_MAX on a negative extent or overflow. Not part of the ABI: compiled into
 * whoever calls it, so that nobody writes the sub-byte rule twice. */
static inline uint64_t detent_nbytes(detent_dtype dtype, int32_t ndim, const int64_t *shape) {
  uint64_t rows = 1, row, bits;
  int32_t d;
  if (ndim < 0) return UINT64_MAX;
  for (d = 0; d < ndim; ++d)
    if (shape[d] < 0) return UINT64_MAX;
  row = ndim > 0 ? (uint64_t)shape[ndim - 1] : 1;
  bits = (uint64_t)DETENT_DTYPE_BITS(dtype) * (dtype >> 16);
  if (bits != 0 && row > ((uint64_t)INT64_MAX - 7u) / bits) return UINT64_MAX;
  row = (row * bits + 7u) / 8u;
  for (d = 0; d < ndim - 1; ++d) {
    const uint64_t n = (uint64_t)shape[d];
    if (n != 0 && rows > (uint64_t)INT64_MAX / n) return UINT64_MAX;
    rows *= n;
  }
  if (row != 0 && rows > (uint64_t)INT64_MAX / row) return UINT64_MAX;
  return rows * row;
}

/* Description of a tensor that does not exist yet. FROZEN. */
typedef struct detent_tensor_spec {
  const char *name;
  const int64_t *shape;
  int32_t ndim;
  detent_dtype dtype;
} detent_tensor_spec;
DETENT_NO_TAIL(detent_tensor_spec, dtype);

/* ---- streams and tensor exchange ------------------------------------------------ */
/* [call] FROZEN. Short counts are allowed: loop. */
typedef struct detent_istream {
  void *ctx;
  /* bytes read, 0 at the end, -1 on failure */
  int64_t(DETENT_CALL *read)(const struct detent_istream *, void *buf, uint64_t n);
} detent_istream;
DETENT_NO_TAIL(detent_istream, read);
/* [call] FROZEN */
typedef struct detent_ostream {
  void *ctx;
  /* bytes taken, -1 on failure */
  int64_t(DETENT_CALL *write)(const struct detent_ostream *, const void *buf, uint64_t n);
} detent_ostream;
DETENT_NO_TAIL(detent_ostream, write);

/* [call] Where a plugin puts results. The host owns the memory (it may be the mapped
 * output file), so nothing is copied and nobody frees across the boundary. */
typedef struct detent_tensor_sink {
  uint64_t struct_size;
  void *ctx;
  /* A zeroed, compact, writable tensor named spec->name; *out stays valid until the
   * call into the plugin returns. A second create of one name is DETENT_E_INVALID_ARG. */
  int32_t(DETENT_CALL *create)(const struct detent_tensor_sink *, const detent_tensor_spec *spec,
                               detent_tensor *out);
  /* Metadata of the whole result; value_json is one JSON value. */
  int32_t(DETENT_CALL *set_meta)(const struct detent_tensor_sink *, const char *key,
                                 const char *value_json);
} detent_tensor_sink;
DETENT_NO_TAIL(detent_tensor_sink, set_meta);

/* [call] Named tensors and metadata which the host lends. */
typedef struct detent_tensor_source {
  uint64_t struct_size;
  void *ctx;
  /* NULL if there is none of that name */
  const detent_tensor *(DETENT_CALL *get)(const struct detent_tensor_source *, const char *name);
  const char *(DETENT_CALL *get_meta)(const struct detent_tensor_source *, const char *key);
} detent_tensor_source;
DETENT_NO_TAIL(detent_tensor_source, get_meta);

/* ---- quantization spec ------------------------------------------------------------ */
#define DETENT_PER_TENSOR 0
#define DETENT_PER_CHANNEL 1 /* one scale per index of axis */
/* group_size consecutive elements of a row share a scale; a short last group is a group. The rows
 * are those of the tensor seen as a matrix [shape[0], product of the other extents]; a tensor of
 * one dimension is one row. Scale shape [rows, ceil(row length / group_size)]. */
#define DETENT_PER_GROUP 2
#define DETENT_PER_BLOCK 3 /* block_rows x group_size tiles over the last two axes */

/* How a range of real numbers [lo, hi], widened to hold zero, becomes a scale and a zero point. No
 * flag is Detent's own rule, in float64: symmetric scale = max|x| / (qmax - zero_point), asymmetric
 * scale = (hi - lo) / (qmax - qmin), zero_point = round(qmin - lo / scale), ties to even, moved into
 * the codes. The flags are where other software differs. Whoever computes scales honours them all,
 * or refuses (DETENT_E_UNSUPPORTED) a target with one that it does not know. */
/* symmetric scale = max|x| / ((qmax - qmin) / 2): 127.5 for -128..127 */
#define DETENT_AFFINE_HALF_RANGE (UINT64_C(1) << 0)
/* zero_point = qmin - round(lo / scale) */
#define DETENT_AFFINE_ROUND_LO_FIRST (UINT64_C(1) << 1)
/* Every step in float32: the ends of the range, moving averages of them (state + c * (batch - state)),
 * their difference, the scale, and the zero point, from the scale so rounded. */
#define DETENT_AFFINE_FLOAT32 (UINT64_C(1) << 2)
/* min_scale is the scale of a zero range, in place of 1, and nothing else. Without the flag no scale
 * is below min_scale, and the zero point follows from that scale like any other. */
#define DETENT_AFFINE_FLOOR_ZERO_ONLY (UINT64_C(1) << 3)
#define DETENT_AFFINE_ALL ((UINT64_C(1) << 4) - 1) /* every flag that is defined */

/* The quantization target: which codes a range of real numbers has to be mapped to, and how.
 * real = scale * (code - zero_point). */
typedef struct detent_qspec {
  uint64_t struct_size;
  detent_dtype qdtype;     /* of the codes, e.g. DETENT_I4 */
  detent_dtype scale_dtype;
  detent_dtype zero_dtype; /* dtype of zero points; ignored if symmetric */
  uint32_t symmetric;      /* 0 or 1 */
  int32_t granularity;     /* DETENT_PER_ */
  int32_t axis;            /* of the channels; >= 0; per channel only */
  int64_t group_size;
  int64_t block_rows;
  int64_t qmin, qmax;      /* integer schemes: the codes allowed, e.g. -127..127 */
  const char *scheme;      /* id of the mapping, e.g. "detent.affine/1", "detent.float/1" */
  /* 0: none, a scale below the smallest normal float32 counts as that of a zero range, which is 1.
   * Otherwise finite and at least that number; see DETENT_AFFINE_FLOOR_ZERO_ONLY. */
  double min_scale;
  uint64_t affine_rules;   /* DETENT_AFFINE_ flags; 0: Detent's own rule */
} detent_qspec;
DETENT_NO_TAIL(detent_qspec, affine_rules);

/* ---- host ------------------------------------------------------------------------- */
#define DETENT_LOG_DEBUG 0
#define DETENT_LOG_INFO 1
#define DETENT_LOG_WARN 2
#define DETENT_LOG_ERROR 3

/* Lives from detent_library.init to after deinit. */
typedef struct detent_host {
  uint64_t struct_size;
  uint32_t abi_major, abi_minor; /* what the host was compiled with */
  const char *name, *version;
  void *host_data;
  void(DETENT_CALL *log)(const struct detent_host *, int32_t level, const char *utf8,
                         uint64_t len); /* [any] */
  /* [any] Counted against the run's memory budget; NULL when over it. free takes the same size
   * and align. Optional to use, asked for when a plugin keeps much (a Hessian). */
  void *(DETENT_CALL *alloc)(const struct detent_host *, uint64_t size, uint64_t align);
  void(DETENT_CALL *free)(const struct detent_host *, void *p, uint64_t size, uint64_t align);
  /* [any] NULL if unknown. Ids: "detent.name/rev", others "com.vendor.name/rev". */
  const void *(DETENT_CALL *get_extension)(const struct detent_host *, const char *id);
} detent_host;
DETENT_NO_TAIL(detent_host, get_extension);

/* What a single call may use. [call] but for the ones marked. */
typedef struct detent_call {
  uint64_t struct_size;
  void *ctx;
  /* Text for the error that is about to be returned; the host copies it. Last one wins. */
  void(DETENT_CALL *fail)(const struct detent_call *, int32_t code, const char *utf8, uint64_t len);
  /* [any] Non-zero: clean up and return DETENT_E_CANCELLED. Ask at least every 50 ms. */
  int32_t(DETENT_CALL *cancelled)(const struct detent_call *);
  void(DETENT_CALL *progress)(const struct detent_call *, uint64_t done, uint64_t total);
  /* Memory which the host takes back when the call returns. NULL when over budget. */
  void *(DETENT_CALL *scratch)(const struct detent_call *, uint64_t size, uint64_t align);
  /* fn(arg, 0..n-1), each once, in any order, on any threads; returns when all are done. n must
   * not depend on the number of threads (R6). Not reentrant. Plugins bring no thread
   * pool of their own: it would outlive dlclose. */
  void(DETENT_CALL *parallel_for)(const struct detent_call *, uint64_t n,
                                  void(DETENT_CALL *fn)(void *arg, uint64_t i), void *arg);
} detent_call;
DETENT_NO_TAIL(detent_call, parallel_for);

/* [call] The parameters, already parsed and checked against the plugin's schema, so that a plugin
 * needs no JSON parser. pointer is a JSON Pointer ("/percentile"). DETENT_E_NOT_FOUND if absent,
 * DETENT_E_PARAMS if of another type; *out is then untouched. Strings live until create returns. */
typedef struct detent_params {
  uint64_t struct_size;
  void *ctx;
  int32_t(DETENT_CALL *get_i64)(const struct detent_params *, const char *pointer, int64_t *out);
  int32_t(DETENT_CALL *get_f64)(const struct detent_params *, const char *pointer, double *out);
  int32_t(DETENT_CALL *get_bool)(const struct detent_params *, const char *pointer, uint32_t *out);
  int32_t(DETENT_CALL *get_str)(const struct detent_params *, const char *pointer, const char **out,
                                uint64_t *len);
  int32_t(DETENT_CALL *array_size)(const struct detent_params *, const char *pointer, uint64_t *out);
} detent_params;
DETENT_NO_TAIL(detent_params, array_size);

/* What a quantizer is asked to handle; defaults may follow it (weights symmetric per channel,
 * activations asymmetric per tensor). */
#define DETENT_ROLE_NONE 0u /* serializers, validators, tools */
#define DETENT_ROLE_WEIGHT 1u
#define DETENT_ROLE_ACTIVATION 2u

/* Given to every create. */
typedef struct detent_config {
  uint64_t struct_size;
  const detent_params *params; /* never NULL */
  const char *params_json;   /* the same as text: an object, defaults filled in */
  uint64_t params_len;
  const char *target;        /* what it is for, e.g. "model.layers.0.mlp.up_proj:weight"; may be "" */
  const detent_qspec *qspec; /* observers: the target they aim at; NULL for the other kinds */
  uint32_t role;             /* DETENT_ROLE_ */
  uint32_t reserved;         /* 0 */
} detent_config;
DETENT_NO_TAIL(detent_config, reserved);

DETENT_END_C
#endif
