/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/abi.h - the Detent plugin ABI, version 0.9: the entry point and the descriptors.
 */
#ifndef DETENT_ABI_H
#define DETENT_ABI_H
#include "abi/base.h"
#include "abi/observer.h"
#include "abi/program.h"
#include "abi/quantizer.h"
#include "abi/serializer.h"
#include "abi/validator.h"
DETENT_BEGIN_C

#define DETENT_KIND_OBSERVER 1
#define DETENT_KIND_QUANTIZER 2
#define DETENT_KIND_SERIALIZER 3
#define DETENT_KIND_VALIDATOR 4

/* detent_plugin.flags: promises. */
#define DETENT_PLUGIN_MERGE_EXACT (UINT64_C(1) << 0)
#define DETENT_PLUGIN_DETERMINISTIC (UINT64_C(1) << 1)
#define DETENT_PLUGIN_WANTS_ISOLATION (UINT64_C(1) << 2) /* run me in a worker by default */
/* Rows are independent, so the host need not hold a whole tensor: it may hand over blocks of rows (of
 * dimension 0, in order, each row once) and join the results along dimension 0.
 *   observer   for a target per channel of axis 0 or per group: what an instance that saw a block says
 *              of it equals the same rows of what it says of the whole
 *   quantizer  the same, of an instance that planned the block as a tensor of its own: plan declares for
 *              a block what it declares for the whole, with as many rows as the block has in every
 *              output, and quantize and dequantize make the same bytes of the same rows
 *   validator  check may come several times for a tensor, each time with a block of what is stored;
 *              the last one says so */
#define DETENT_PLUGIN_ROWWISE (UINT64_C(1) << 3)

/* One plugin. Static, read-only, from load to unload. */
typedef struct detent_plugin {
  uint64_t struct_size;
  uint32_t kind;           /* DETENT_KIND_ */
  uint32_t state_version;  /* of save_state's bytes; observers only */
  uint64_t flags;
  const char *id;          /* "org.example.minmax": unique, [a-z0-9_.-]+, what a config names */
  const char *version;     /* semver of the plugin */
  const char *name;        /* for people */
  const char *description; /* one line */
  const char *vendor;
  const char *license;     /* SPDX */
  /* JSON Schema (2020-12) of params: an object with defaults. The host knows these keywords: type, enum,
   * const, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, minLength, maxLength,
   * minItems, maxItems, items, properties, required, additionalProperties (true or false), default,
   * and annotations (title, description, examples, $schema, $id, $comment, deprecated, "x-...").
   * "x-default-by-role": {"weight": v, "activation": v} is a default that depends on the role. */
  const char *params_schema;
  /* NULL-terminated: other names of this plugin ("movingaverage"). Like ids they are compared in lower
   * case and without '_' and '-'. An id goes before every alias. */
  const char *const *aliases;
  /* NULL-terminated: "stat:minmax/1", "scheme:detent.affine/1"; "auto:KEY" makes an observer the one that
   * the name "auto" stands for when the parameter KEY is given, "auto:" when none is. "range:minmax": after
   * one batch an observer's range is that batch's own minimum and maximum. */
  const char *const *provides;
  const char *const *requires_; /* NULL-terminated: what must be provided by others in the pipeline */
  /* What the plugin can handle at all, so that the host can say no before a byte of data is read. NULL: no limits
   * are declared, the plugin itself says no. Otherwise a JSON object whose members are JSON Schemas in the keywords of
   * params_schema, each optional. Keys that a schema does not mention are not limited.
   *   "tensor"  {"dtype": "F32", "ndim": 2, "shape": [64, 128]}, the dtype as safetensors spells it.
   *             observer: what observe takes; quantizer: what plan takes (it may still decline);
   *             serializer: what declare takes
   *   "target"  {"dtype": "int8", "symmetric": true, "granularity": "per_tensor" | "per_channel" | "per_group" |
   *             "per_block", "axis": 0, "group_size": 0, "qmin": -127, "qmax": 127, "scheme": "detent.affine/1"}.
   *             observer: the targets that create takes; quantizer: the targets that plan may give
   * "properties", "type", "enum", "const", "minimum", "maximum", "multipleOf" and their kin limit one fact each; there
   * is no way to say that two depend on one another: plan and create say so in their own words. */
  const char *capabilities;
  const void *vtbl;        /* detent_<kind>_vtbl */
} detent_plugin;
DETENT_NO_TAIL(detent_plugin, vtbl);

/* One shared library. The first 16 bytes never change, in any major version. */
typedef struct detent_library {
  uint32_t magic;          /* DETENT_MAGIC */
  uint32_t abi_major;      /* of the headers it was compiled with */
  uint32_t abi_minor;
  uint32_t abi_min_minor;  /* lowest host minor it can work with: DETENT_ABI_MIN_MINOR */
  uint64_t struct_size;
  const char *build;       /* free text: compiler, flags, source revision; goes into the run record */
  /* Before any create. No heavy work, no thread, no I/O. Not called when only descriptors are read. In matched
   * pairs with deinit, which may nest: one process can hold two hosts. So no host in a global: every create
   * brings its own. */
  int32_t(DETENT_CALL *init)(const detent_host *, const detent_call *);
  /* After the last instance of that host is destroyed. Joins whatever threads were made. Runs while the library is still
   * mapped; what runs later (static destructors, TLS destructors, atexit) must not touch a host. */
  void(DETENT_CALL *deinit)(void);
  /* [any] Also before init: reading descriptors needs no init. */
  uint64_t(DETENT_CALL *plugin_count)(void);
  const detent_plugin *(DETENT_CALL *plugin_at)(uint64_t i);
  const void *(DETENT_CALL *get_extension)(const char *id); /* may be NULL */
} detent_library;
DETENT_NO_TAIL(detent_library, get_extension);
DETENT_STATIC_ASSERT(offsetof(detent_library, struct_size) == 16, "library header is frozen");

/* THE symbol. A function, not data (dlsym is only sure of functions); no argument but the
 * major version that the host would like, so a binary can serve several; pure: no side effect,
 * NULL when that major is not spoken. The host asks from its highest major downwards. */
#define DETENT_ENTRY_SYMBOL "detent_entry"
typedef const detent_library *(DETENT_CALL *detent_entry_fn)(uint32_t abi_major);
DETENT_EXPORT const detent_library *DETENT_CALL detent_entry(uint32_t abi_major);

DETENT_END_C
#endif
