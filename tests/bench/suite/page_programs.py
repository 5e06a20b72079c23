# SPDX-License-Identifier: Apache-2.0
"""Sections of docs/benchmarks.md on programs: calibration, starts, instructions, artefacts that run."""
from __future__ import annotations

from typing import Any

from . import results, tables

Document = dict[str, Any]
STARTS = {"startup/version": "`detent --version`", "startup/list": "`detent plugins list`",
          "startup/plan": "`detent plan`, all-MiniLM-L6-v2",
          "startup/200 plugins": "`detent plugins list` with 200 plugins more"}
ARTEFACTS = """## What an artefact costs when it runs

`tests/bench/forms.py` takes a multilayer perceptron (512-1024-1024-64) and all-MiniLM-L6-v2, writes each form of the `torchscript`
serializer, and lets the float model and the artefact take turns on one thread. A figure is float time divided by the artefact's: above 1 is
faster."""
FORMS = """- *portable* writes the weight in floating point once per call: a cost by weight, so it shows where a layer sees few rows (the perceptron
  at batch 1). It saves storage and transport, not time.
- *fast* at INT8 is fbgemm's dynamic operator. Without VNNI its products are 16 bits wide, which bounds the gain at large batches.
- *fast* at INT4 computes in bfloat16, which needs a processor with instructions for it."""


def calibration(document: Document) -> str:
    found = document.get("calibration")
    if not found:
        return ""
    cells = []
    for threads, cases in found["threads"].items():
        for case, row in cases.items():
            over = [_over(row.get(key)) for key in ("wall_over_percent", "cpu_over_percent")]
            cells.append([threads, case, tables.seconds(row["wall_ms"] / 1e3), *over])
    head = ("Threads", "Observer", "Batch", "Over the bare model", "The same, processor time")
    return (f"## Calibration\n\n{found['model']}, batches of {found['batch_size']}, the inputs of every Linear observed; bare and observed "
            "batches take turns in the process that runs the model.\n\n" + tables.table(head, cells))


def _over(spread: Any) -> str:
    if not spread:
        return "-"
    return f"{spread['median']:.1f} % ({spread['low']:.1f} to {spread['high']:.1f})"


def startup(document: Document) -> str:
    cells = []
    for work, label in STARTS.items():
        entry = results.find(document, work, "detent")
        if entry and entry["seconds"]:
            cells.append([label, tables.seconds(results.median(entry)), tables.seconds(min(entry["seconds"])),
                          tables.seconds(results.median(entry, "cpu_seconds")),
                          tables.memory(results.median(entry, "peak_rss"))])
    head = ("Command", "Wall, median", "Wall, least", "Processor time", "Peak memory")
    return "## Starts\n\n" + tables.table(head, cells) if cells else ""


def instructions(document: Document) -> str:
    found = document.get("instructions")
    if not found:
        return ""
    cells = [[f"`{name}`", f"{count:,}"] for name, count in found["counts"].items()]
    return (f"## Instructions\n\nCounted by `tests/bench/instructions.py` under valgrind ({found['key']}), a call of a work or a whole "
            "command. `./dev test -L instructions` compares them with `tests/bench/instructions.json` and fails beyond 5 %.\n\n"
            + tables.table(("Subject", "Instructions"), cells))


def artefacts(document: Document) -> str:
    printed = document["tables"]
    if not printed:
        return ""
    return "\n\n".join([ARTEFACTS, *printed.values(), FORMS])
