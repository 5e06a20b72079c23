/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c/affine.h - from the ranges that an observer found to the "scale" and "zero_point" that
 * it owes.
 *
 *   real = scale * (code - zero_point)
 *
 * Rounding  all in float64, ties to even; the scale is stored as f32
 * Special   the range is widened to hold zero, so that zero has an exact code. A scale below the
 *           smallest normal f32 counts as a zero range: scale 1, zeros stay exact zeros. A scale
 *           with which a code would stand for more than the largest f32 becomes smaller
 * Rule      min_scale and affine_rules of the target are honoured: see DETENT_AFFINE_ in
 * abi/base.h. A step in float32 is one in float64, rounded: of +, -, * and / both give the same
 * bits Truth     the built-in observers give the same numbers for the same ranges
 */
#ifndef DETENT_C_AFFINE_H
#define DETENT_C_AFFINE_H
#include <float.h>
#include <math.h>

#include "exchange.h"
DETENT_BEGIN_C

typedef struct detent_affine {
  float scale;
  int64_t zero_point;
} detent_affine;

/* Does the target ask for one of the DETENT_AFFINE_ flags? */
static inline int detent_has_rule(const detent_qspec* target, uint64_t flag) {
  return target->struct_size >= DETENT_SIZE_UPTO(detent_qspec, affine_rules) &&
         (target->affine_rules & flag) != 0;
}
static inline double detent_min_scale(const detent_qspec* target) {
  return target->struct_size >= DETENT_SIZE_UPTO(detent_qspec, min_scale) ? target->min_scale : 0;
}

static inline double detent_larger(double a, double b) { return a < b ? b : a; }
static inline double detent_smaller(double a, double b) { return b < a ? b : a; }
static inline double detent_within(double x, double lo, double hi) {
  return detent_smaller(detent_larger(x, lo), hi);
}
/* What a step gives: as it is, or rounded to float32. */
static inline double detent_step(int is_float, double x) { return is_float ? (double)(float)x : x; }

/* The scale of [lo, hi] before any floor. divisor: how many steps it is. */
static inline double detent_range_scale(double lo, double hi, double divisor, int symmetric,
                                        int f) {
  const double width = detent_step(f, hi - lo);
  if (symmetric) return detent_step(f, detent_larger(-lo, hi) / divisor);
  if (isfinite(width)) return detent_step(f, width / divisor);
  return detent_step(f, detent_step(f, hi / divisor) - detent_step(f, lo / divisor));
}

/* An infinite end counts as the largest number. target->qmin < target->qmax and target->qmax > 0.
 */
static inline detent_affine detent_choose_affine(double lo, double hi, const detent_qspec* target) {
  const int f = detent_has_rule(target, DETENT_AFFINE_FLOAT32);
  const double largest = f ? (double)FLT_MAX : DBL_MAX;
  const double qmin = (double)target->qmin, qmax = (double)target->qmax;
  const int symmetric = target->symmetric != 0;
  const double middle = qmin < 0 ? 0 : qmin + floor((qmax - qmin + 1) / 2); /* 128 for 0..255 */
  const double least = detent_step(f, detent_min_scale(target));
  double divisor = symmetric ? qmax - middle : qmax - qmin;
  double zero = middle, scale, most;
  detent_affine affine;
  lo = detent_step(f, detent_larger(detent_smaller(0.0, lo), -largest));
  hi = detent_step(f, detent_smaller(detent_larger(0.0, hi), largest));
  if (symmetric && detent_has_rule(target, DETENT_AFFINE_HALF_RANGE)) divisor = (qmax - qmin) / 2;
  scale = detent_range_scale(lo, hi, divisor, symmetric, f);
  if (!detent_has_rule(target, DETENT_AFFINE_FLOOR_ZERO_ONLY)) scale = detent_larger(scale, least);
  if (scale < (double)FLT_MIN) {
    if (!symmetric) zero = detent_within(0.0, qmin, qmax);
    scale = detent_min_scale(target) > 0 ? least : 1;
  } else if (!symmetric) {
    const double steps = detent_step(f, lo / scale);
    zero = detent_has_rule(target, DETENT_AFFINE_ROUND_LO_FIRST)
               ? detent_step(f, qmin - nearbyint(steps))
               : nearbyint(detent_step(f, qmin - steps));
    zero = detent_within(zero, qmin, qmax);
  }
  /* A little less than the largest f32: a scale rounded upwards must not exceed it. */
  most = (double)FLT_MAX * (1 - 1.0 / 8388608) / detent_larger(qmax - zero, zero - qmin);
  affine.scale = (float)detent_smaller(scale, most);
  affine.zero_point = (int64_t)zero;
  return affine;
}

/* 0 when the value does not fit the dtype. */
static inline int detent_store_zero_point(detent_dtype dtype, void* data, uint64_t i,
                                          int64_t value) {
  switch (dtype) {
    case DETENT_I8:
      if (value < INT8_MIN || value > INT8_MAX) return 0;
      ((int8_t*)data)[i] = (int8_t)value;
      return 1;
    case DETENT_U8:
      if (value < 0 || value > UINT8_MAX) return 0;
      ((uint8_t*)data)[i] = (uint8_t)value;
      return 1;
    case DETENT_I32: ((int32_t*)data)[i] = (int32_t)value; return 1;
    default: ((int64_t*)data)[i] = value; return 1;
  }
}

/* NULL, or why there is no affine mapping to such a target; *code is then its status. */
static inline const char* detent_refuse_affine(const detent_qspec* target, int32_t* code) {
  const int64_t limit = (int64_t)1 << 24; /* f32 holds every code exactly */
  const detent_dtype z = target->zero_dtype;
  *code = DETENT_E_INVALID_ARG;
  if (target->qmin >= target->qmax || target->qmax <= 0 || target->qmin < -limit ||
      target->qmax > limit)
    return "the target's codes cannot hold an affine mapping";
  *code = DETENT_E_UNSUPPORTED;
  if (target->scale_dtype != DETENT_F32) return "scales are f32";
  if (detent_has_rule(target, ~DETENT_AFFINE_ALL))
    return "the target has rules for its scales that are not known here";
  if (!(target->symmetric != 0 && target->qmin < 0) && z != DETENT_I8 && z != DETENT_U8 &&
      z != DETENT_I32 && z != DETENT_I64)
    return "zero points are int8, uint8, int32 or int64";
  *code = DETENT_OK;
  return NULL;
}

/* One scale and, unless the target is symmetric and signed, one zero point for each of the n ranges
 * [lo[i], hi[i]]; n is that of the shape. *why is NULL, or the text of the error. */
static inline int32_t detent_put_affine(const detent_tensor_sink* sink, const detent_qspec* target,
                                        int32_t ndim, const int64_t* shape, uint64_t n,
                                        const double* lo, const double* hi, const char** why) {
  void *scale = NULL, *zero_point = NULL;
  int32_t code;
  uint64_t i;
  *why = detent_refuse_affine(target, &code);
  if (*why != NULL) return code;
  *why = "the host gave no room for scale and zero_point";
  code = detent_create(sink, "scale", DETENT_F32, ndim, shape, &scale);
  if (code != DETENT_OK) return code;
  if (target->symmetric == 0 || target->qmin >= 0)
    code = detent_create(sink, "zero_point", target->zero_dtype, ndim, shape, &zero_point);
  if (code != DETENT_OK) return code;
  for (i = 0; i < n; ++i) {
    const detent_affine affine = detent_choose_affine(lo[i], hi[i], target);
    ((float*)scale)[i] = affine.scale;
    *why = "a zero point does not fit the zero_dtype of the target";
    if (zero_point != NULL &&
        !detent_store_zero_point(target->zero_dtype, zero_point, i, affine.zero_point))
      return DETENT_E_INVALID_ARG;
  }
  *why = NULL;
  return DETENT_OK;
}

DETENT_END_C
#endif
