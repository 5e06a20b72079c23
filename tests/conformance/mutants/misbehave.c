/* SPDX-License-Identifier: Apache-2.0
 * The library's own part: entry, init, and the faults that do not depend on the kind. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "faults.h"

extern const detent_plugin mutant;

void on_signal(int number);
void on_signal(int number) { (void)number; }

static void* sleep_long(void* nothing) {
  sleep(1000);
  return nothing;
}

void misbehave(void) {
  if (IS(PRINTS)) puts("hello from a plugin");
  if (IS(SETS_LOCALE)) setlocale(LC_ALL, "C.UTF-8");
  if (IS(CHANGES_FOLDER) && chdir("/") != 0) return;
  if (IS(SETS_ENVIRONMENT)) setenv("OMP_NUM_THREADS", "1", 1);
  if (IS(KEEPS_FILE)) (void)open("/dev/null", O_RDONLY);
  if (IS(TAKES_SIGNAL)) signal(SIGUSR1, on_signal);
  if (IS(LEAKS)) *(void* volatile*)&(void*){NULL} = malloc(100);
#if defined(__x86_64__)
  if (IS(FLUSHES_DENORMALS)) _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
  if (IS(LEAVES_THREAD)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, &sleep_long, NULL) == 0) pthread_detach(thread);
  }
}

static void* table;

static int32_t init(const detent_host* host, const detent_call* call) {
  (void)host, (void)call;
  table = IS(LAST_DEINIT_ONLY) ? malloc(8) : NULL;
  return DETENT_OK;
}
static void deinit(void) {
  if (IS(LAST_DEINIT_ONLY)) free(table); /* twice when nested */
}
static uint64_t count(void) { return 1; }
static const detent_plugin* at(uint64_t i) { return i == 0 || IS(PAST_THE_END) ? &mutant : NULL; }

static const detent_library library = {.magic = DETENT_MAGIC,
                                       .abi_major = DETENT_ABI_MAJOR,
                                       .abi_minor = DETENT_ABI_MINOR,
                                       .abi_min_minor = DETENT_ABI_MIN_MINOR,
                                       .struct_size = sizeof(detent_library),
                                       .build = "mutant",
                                       .init = &init,
                                       .deinit = &deinit,
                                       .plugin_count = &count,
                                       .plugin_at = &at};

const detent_library* detent_entry(uint32_t abi_major) {
  return abi_major == DETENT_ABI_MAJOR || IS(EVERY_MAJOR) ? &library : NULL;
}

DETENT_EXPORT int detent_helper(void);
int detent_helper(void) { return 1; }
