// SPDX-License-Identifier: Apache-2.0
#include "config/runtime_layout.hpp"

namespace detent {

const Layout& runtime_layout() {
  static const Layout layout{
      "runtime",
      "How the run uses the machine. Nothing here changes a byte of the output but the seed and, "
      "for a model that runs, model_threads.",
      {{.name = "threads",
        .shape = Shape::integer,
        .title = "Threads",
        .description = "0: as many as the process may use.",
        .default_json = "0",
        .minimum = 0,
        .maximum = 1024},
       {.name = "isolation",
        .shape = Shape::choice,
        .title = "Isolation",
        .description = "process: plugins run in a process of their own; none: in this one; auto: "
                       "in their own those that ask for it or do not belong to the installation.",
        .default_json = "\"auto\"",
        .choices = {"auto", "none", "process"}},
       {.name = "plugin_timeout",
        .shape = Shape::integer,
        .title = "Time for a plugin",
        .description = "Seconds that one call of a plugin in a process of its own may take.",
        .default_json = "600",
        .minimum = 1,
        .maximum = 1'000'000},
       {.name = "plugin_memory",
        .shape = Shape::integer,
        .title = "Memory for a plugin",
        .description = "Bytes that a plugin in a process of its own may take beside the data it is "
                       "shown. 0: 2 GiB and 8 times those data.",
        .default_json = "0",
        .minimum = 0},
       {.name = "on_plugin_failure",
        .shape = Shape::choice,
        .title = "When a plugin fails",
        .description = "An observer or quantizer that crashed, hung or broke its contract: error: "
                       "the run fails and writes nothing; skip_layer: the layer is kept as it is, "
                       "with a warning.",
        .default_json = "\"error\"",
        .choices = {"error", "skip_layer"}},
       {.name = "model_threads",
        .shape = Shape::integer,
        .title = "Threads of the model",
        .description = "Of a model that runs. With more than one it is faster, and its sums may be "
                       "added in another order: the last bits of what it computes can change.",
        .default_json = "1",
        .minimum = 1,
        .maximum = 1024},
       {.name = "model_timeout",
        .shape = Shape::integer,
        .title = "Time for the model",
        .description =
            "Seconds that one step of a model that runs may take: loading it, one batch, "
            "writing it.",
        .default_json = "600",
        .minimum = 1,
        .maximum = 1'000'000},
       {.name = "memory_limit",
        .shape = Shape::integer,
        .title = "Memory limit",
        .description = "Bytes that the run may take. Tensors then go in smaller blocks, and a run "
                       "that cannot keep to it is refused by its plan. 0: no limit.",
        .default_json = "0",
        .minimum = 0},
       {.name = "seed",
        .shape = Shape::integer,
        .title = "Seed",
        .description = "Of everything that is random.",
        .default_json = "0",
        .minimum = 0}}};
  return layout;
}

}  // namespace detent
