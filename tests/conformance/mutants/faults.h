/* SPDX-License-Identifier: Apache-2.0
 * The faults that can be planted: -DFAULT=NAME chooses one, none is NONE. IS(NAME) is a constant,
 * so what is not planted is not there. */
#ifndef FAULTS_H
#define FAULTS_H
#include <detent/abi.h>
#include <stdint.h>
#include <string.h>

enum {
  NONE,
  /* of every kind */
  EXTRA_SYMBOL,
  EVERY_MAJOR,
  PAST_THE_END,
  LAST_DEINIT_ONLY,
  NO_TEXT,
  MADE_UP_STATUS,
  THROWS,
  PRINTS,
  SETS_LOCALE,
  CHANGES_FOLDER,
  SETS_ENVIRONMENT,
  KEEPS_FILE,
  TAKES_SIGNAL,
  FLUSHES_DENORMALS,
  LEAKS,
  LEAVES_THREAD,
  ONE_INSTANCE,
  NEVER_ASKS,
  TRUSTS_OLD_HOST,
  EXACT_SIZES,
  SCHEMA_LIES,
  TRUSTS_PARAMETERS,
  BAD_VERSION,
  /* observers */
  MERGE_FORGETS,
  MERGE_IN_FLOAT,
  MERGE_SWAPS,
  MERGE_POISONS_FRESH,
  IGNORES_STRIDES,
  READS_PAST_END,
  WRITES_INPUT,
  KEEPS_INPUT,
  SAVES_POINTER,
  LOADS_TRUNCATED,
  LOADS_TRAILING,
  TRUSTS_STATE,
  ONE_WRITE,
  ORDER_OF_PARALLEL_FOR,
  NAN_POISONS,
  NAN_OF_ZEROS,
  OVERFLOWS,
  RESET_FORGETS,
  EMPTY_COUNTS,
  READY_TOO_SOON,
  WRONG_STATISTIC,
  WRONG_ZERO_POINT,
  ROWS_DEPEND,
  ALIGNED_ONLY,
  /* quantizers */
  NEXT_CHANNEL,
  OTHER_DTYPE,
  OUTPUT_MISSING,
  MORE_MEMORY,
  CODES_BEYOND,
  NEEDS_INSTANCE,
  ZERO_POINT_OFF,
  TRUNCATES,
  ZERO_SCALE,
  PLAN_COUNTS,
  TRUSTS_ARTEFACT,
  IGNORES_GIVEN,
  BOTH_WAYS,
  /* serializers */
  DROPS_TENSOR,
  ONE_PWRITE,
  IGNORES_FAILED_WRITES,
  WRITES_TIME,
  LOSES_ROWS,
  FORGETS_METADATA,
  READS_ANYTHING,
  TAKES_UNDECLARED,
  FINISHES_EARLY,
  ABORT_FORGETS,
  LEAVES_FOLDER,
  ONE_STATE,
  TRUSTS_COUNT,
  TAKES_LATE_METADATA,
  CLAIMS_MORE,
  ONE_PREAD,
  IGNORES_FAILED_READS,
  HALF_A_READER,
  /* validators */
  SILENT,
  ALARMS_ALWAYS,
  ALARMS_ONCE,
  OTHER_TARGET,
  NAN_VALUE,
  IGNORES_LAST_BLOCK,
  ONE_COUNT,
  SWALLOWS_SINK,
  JUDGES_KEPT,
  NOT_UTF8,
  NEEDS_OUTPUT,
  COUNTS_ON
};
#ifndef FAULT
#define FAULT NONE
#endif
#define IS(name) (FAULT == (name))

/* Says why, and returns the code. */
static inline int32_t refuse(const detent_call* call, int32_t code, const char* text) {
  if (IS(THROWS)) {
    extern void throw_it(void);
    throw_it();
  }
  if (!IS(NO_TEXT) && DETENT_HAS(call, detent_call, fail))
    call->fail(call, code, text, strlen(text));
  return IS(MADE_UP_STATUS) ? 4711 : code;
}

/* What a plugin has no business to do; called once in each life. */
void misbehave(void);

#endif
