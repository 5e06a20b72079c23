/* SPDX-License-Identifier: Apache-2.0
 *
 * @ID@: the largest error of every quantized tensor, relative to its largest magnitude.
 *
 *   relative_error = max|x - x'| / max|x|
 *
 *   above fail_above: FAIL     above warn_above: WARN     otherwise: INFO
 */
#include <detent/c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct detent_validator {
  double warn, fail;
  double largest; /* of the tensor whose blocks are coming */
  double worst;
  uint64_t judged;
};

static int32_t DETENT_CALL create(const detent_host* host, const detent_call* call,
                                  const detent_config* config, detent_validator** out) {
  (void)host;
  const double warn = detent_param_f64(config, "/warn_above", 0.1);
  const double fail = detent_param_f64(config, "/fail_above", 0.5);
  if (warn > fail)
    return detent_fail(call, DETENT_E_PARAMS,
                       "warn_above is larger than fail_above\nuse a warn_above of at most %g",
                       fail);
  detent_validator* v = (detent_validator*)calloc(1, sizeof *v);
  if (v == NULL) return DETENT_E_NO_MEMORY;
  v->warn = warn;
  v->fail = fail;
  *out = v;
  return DETENT_OK;
}

static void DETENT_CALL destroy(detent_validator* v) { free(v); }

static int32_t report(const detent_finding_sink* sink, const char* target, const char* metric,
                      double value, double threshold, int32_t severity, const char* message) {
  const detent_finding finding = {sizeof finding, target,   metric, value,
                                  threshold,      severity, 0,      message};
  return sink->report(sink, &finding);
}

/* Of zeros only: no error is none, any other is infinitely large. */
static double relative(double error, double largest) {
  if (largest > 0) return error / largest;
  return error == 0 ? 0 : (double)INFINITY;
}

static int32_t judge(detent_validator* v, const char* target, double error,
                     const detent_finding_sink* sink) {
  char text[512];
  const int fails = !(error <= v->fail); /* so does NaN: what cannot be measured */
  const double threshold = fails ? v->fail : v->warn;
  ++v->judged;
  if (error > v->worst || isnan(error)) v->worst = error;
  if (error <= v->warn)
    return report(sink, target, "relative_error", error, v->warn, DETENT_FINDING_INFO, "");
  snprintf(
      text, sizeof text,
      "the largest error of \"%.200s\" is %g of its largest magnitude, above %g: use more bits "
      "or smaller groups, or keep this layer",
      target, error, threshold);
  return report(sink, target, "relative_error", error, threshold,
                fails ? DETENT_FINDING_FAIL : DETENT_FINDING_WARN, text);
}

/* Once for each block of rows of a tensor; the host's measurements come with the last one. */
static int32_t DETENT_CALL check(detent_validator* v, const detent_call* call,
                                 const detent_check_input* input, const detent_finding_sink* sink) {
  detent_walk w;
  if (input->first_row == 0) v->largest = 0;
  if (input->is_quantized == 0) return DETENT_OK;
  if (input->original == NULL)
    return detent_fail(call, DETENT_E_INVALID_ARG,
                       "@ID@ requires the original, and was not given it");
  if (!detent_walk_start(&w, input->original))
    return detent_fail(call, DETENT_E_UNSUPPORTED, "@ID@ cannot read elements of this dtype");
  for (uint64_t seen = 1; detent_walk_next(&w); ++seen) {
    if (isfinite(w.value) && fabs(w.value) > v->largest) v->largest = fabs(w.value);
    if (seen % 65536 == 0 && detent_is_cancelled(call)) return DETENT_E_CANCELLED;
  }
  if (input->last == 0 || input->metrics == NULL) return DETENT_OK;
  return judge(v, input->target, relative(input->metrics->max_abs_error, v->largest), sink);
}

static int32_t DETENT_CALL finish(detent_validator* v, const detent_call* call,
                                  const detent_run_summary* summary,
                                  const detent_finding_sink* sink) {
  (void)call, (void)summary;
  if (v->judged == 0) return DETENT_OK;
  return report(sink, "", "relative_error_max", v->worst, (double)NAN, DETENT_FINDING_INFO, "");
}

static const detent_validator_vtbl functions = {
    .struct_size = sizeof(detent_validator_vtbl),
    .create = create,
    .destroy = destroy,
    .check = check,
    .finish = finish,
};

static const char* const none[] = {NULL};
/* The error is measured by the host; max|x| takes a look at the original. */
static const char* const requirements[] = {DETENT_NEEDS_ORIGINAL, NULL};

static const detent_plugin plugin = {
    .struct_size = sizeof(detent_plugin),
    .kind = DETENT_KIND_VALIDATOR,
    /* Promises: the same findings each time, and a tensor may come in blocks of rows. */
    .flags = DETENT_PLUGIN_DETERMINISTIC | DETENT_PLUGIN_ROWWISE,
    .id = "@ID@",
    .version = "0.1.0",
    .name = "@NAME@",
    .description = "Largest error of every quantized tensor, relative to its largest magnitude",
    .vendor = "@VENDOR@",
    .license = "Apache-2.0",
    .params_schema =
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
        "\"warn_above\": {\"type\": \"number\", \"minimum\": 0, \"default\": 0.1,"
        " \"description\": \"A larger relative error is a warning.\"},"
        "\"fail_above\": {\"type\": \"number\", \"minimum\": 0, \"default\": 0.5,"
        " \"description\": \"A larger one fails the validation.\"}}}",
    .aliases = none,
    .provides = none,
    .requires_ = requirements,
    .vtbl = &functions,
};

DETENT_C_LIBRARY(plugin);
