/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi/observer.h - observes tensors, accumulates statistics, proposes quantization parameters.
 *
 * Calls   create (observe | merge | save_state | load_state | reset | compute_*)* destroy
 * Stats   ids that built-in observers provide, and what they put into the sink:
 *           "stat:minmax/1"     "min", "max"            f64, [] or [channels]; finite values only
 *           "stat:counts/1"     "observed", "non_finite" i64, []; elements, finite and not finite
 *           "stat:histogram/1"  "counts" u64 [channels, bins]; "origin", "width" f64 [channels]: bin i of
 *                               channel c holds [origin + i*width, origin + (i+1)*width)
 *           "stat:second_moment/1" "mean_square" f64 [channels]: the mean of x^2 over the finite values of
 *                               each channel; "count" i64 [channels]: how many these were
 *
 * Importance  An error in a weight matters as much as what it is multiplied with: E[a^2] of the input channel.
 *         An observer of weights that lists "stat:second_moment/1" in `requires_` and has observe_weighted is
 *         given it. The host shows the inputs of the layer's operators, while the model runs on the calibration
 *         data, to an observer that provides the statistic: per channel, as [outer, channels, inner], axis 1.
 */
#ifndef DETENT_ABI_OBSERVER_H
#define DETENT_ABI_OBSERVER_H
#include "base.h"
DETENT_BEGIN_C

typedef struct detent_observer detent_observer; /* the plugin's own */

typedef struct detent_observer_vtbl {
  uint64_t struct_size;
  /* [any] On success *out is set; on error it is left alone. host outlives the instance.
   * config->qspec is the target: its granularity says which elements share a range. */
  int32_t(DETENT_CALL *create)(const detent_host *, const detent_call *, const detent_config *,
                               detent_observer **out);
  /* [instance] No other call is running. Never fails, NULL is allowed. */
  void(DETENT_CALL *destroy)(detent_observer *);
  /* [instance] x is read-only, any strides. Must not keep x. No elements: nothing happens.
   * DETENT_E_NUMERIC when it holds NaN or Inf and the parameters say that this is an error. */
  int32_t(DETENT_CALL *observe)(detent_observer *, const detent_call *, const detent_tensor *x);
  /* [instance] Back to what create left. */
  int32_t(DETENT_CALL *reset)(detent_observer *, const detent_call *);
  /* [instance] on both. self := self + other; other unchanged, made by this same plugin with an equal
   * config. NULL: the result is defined by the order of all batches, so
   * nothing can be merged; the host then calibrates in one process.
   * merge(fresh, x) must equal x. With DETENT_PLUGIN_MERGE_EXACT the result is the same
   * bytes for every order and grouping of parts; without it the host merges in rank order. */
  int32_t(DETENT_CALL *merge)(detent_observer *self, const detent_call *,
                              const detent_observer *other);
  /* [instance] Equal states give equal bytes. Little-endian, no pointers, no timestamps.
   * The host adds id, version, state_version and a checksum of its own. */
  int32_t(DETENT_CALL *save_state)(const detent_observer *, const detent_call *,
                                   const detent_ostream *);
  /* [instance] Replaces the state. The bytes are untrusted: check them. On error the
   * instance is as after reset. */
  int32_t(DETENT_CALL *load_state)(detent_observer *, const detent_call *, const detent_istream *);
  /* [instance] Puts "scale" (spec->scale_dtype) and, unless symmetric, "zero_point"
   * (spec->zero_dtype) into the sink. Shapes: per tensor [], per channel [C], per group
   * [rows, ceil(row/g)], per block [ceil, ceil]. May add "range_min" and "range_max" (f64, same
   * shape): the range of real numbers it chose, before the zero point was rounded.
   * DETENT_E_NOT_READY when no finite value was observed. */
  int32_t(DETENT_CALL *compute_qparams)(const detent_observer *, const detent_call *,
                                        const detent_qspec *spec, const detent_tensor_sink *);
  /* [instance] Puts the tensors of one statistic that the descriptor's `provides` lists.
   * NULL if it lists none. */
  int32_t(DETENT_CALL *compute_stat)(const detent_observer *, const detent_call *,
                                     const char *stat_id, const detent_tensor_sink *);
  /* [any] May be NULL. */
  const void *(DETENT_CALL *get_extension)(const detent_observer *, const char *id);
  /* [instance] As observe, of a weight whose elements do not count the same: an error e in an element costs
   * importance * e^2. importance is f64, read-only, of x's shape, any strides (0 along dimensions in which it
   * does not vary), finite and >= 0. NULL: the observer takes none. Called in place of observe where the host
   * has an importance; a layer whose inputs are never seen gets observe, and a finding says so. */
  int32_t(DETENT_CALL *observe_weighted)(detent_observer *, const detent_call *, const detent_tensor *x,
                                         const detent_tensor *importance);
} detent_observer_vtbl;
DETENT_NO_TAIL(detent_observer_vtbl, observe_weighted);

DETENT_END_C
#endif
