# SPDX-License-Identifier: Apache-2.0
"""The document that the benchmarks write: build/bench/results.json.

    schema        2; raised when a key changes its meaning
    date, commit  of the last run; `dirty` when the tree differed from the commit
    machine       see machine.py
    versions      peer -> version, or "not installed: why"
    parts         part -> {"seconds": how long it took, "command": what to type for it alone,
                  "quick": fewer repetitions and smaller files, figures for a first look}
    measurements  a list, each with
        part, work, who   what was done and by whom: "detent", "torch.aminmax", ...
        beside            the peer that it took turns with, or missing
        bytes             of input that one call goes through; 0: not a matter of bytes
        seconds           wall time of each round, in the order they were taken
        cpu_seconds       user and system time of each round, or missing
        peak_rss          largest resident set of each round in bytes, or missing (files only)
        peak_anonymous    the same without mapped files, looked at while it ran
        output_bytes      of what was written (files only)
        command           what was run (files only), paths shortened
        error             why there is no figure; then the lists are empty
    notes         part -> list of sentences, what was left out and why
    tables        name -> Markdown that another program printed (forms.py)
    calibration   what calibration.py --json wrote
    instructions  of instructions.py: {"key", "counts": {subject: instructions}}
"""
from __future__ import annotations

import json
import pathlib
import statistics
from typing import Any, Iterator, Optional

SCHEMA = 2
Measurement = dict  # see above


def empty() -> dict[str, Any]:
    return {"schema": SCHEMA, "machine": {}, "versions": {}, "parts": {}, "measurements": [],
            "notes": {}, "tables": {}}


def load(path: pathlib.Path) -> dict[str, Any]:
    """What an earlier run wrote, or an empty document when there is none of this schema."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return empty()
    return document if document.get("schema") == SCHEMA else empty()


def save(path: pathlib.Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def forget(document: dict[str, Any], part: str) -> None:
    """Makes room for new figures of a part."""
    document["measurements"] = [m for m in document["measurements"] if m["part"] != part]
    document["notes"].pop(part, None)
    document.pop(part, None)


def measurement(part: str, work: str, who: str, size: int) -> Measurement:
    return {"part": part, "work": work, "who": who, "bytes": size, "seconds": []}


def find(document: dict[str, Any], work: str, who: str, beside: str = "") -> Optional[Measurement]:
    """With `beside`, the one that took turns with that peer; without, the first."""
    for entry in document["measurements"]:
        if entry["work"] == work and entry["who"] == who and beside in ("", entry.get("beside")):
            return entry
    return None


def of_part(document: dict[str, Any], part: str) -> Iterator[Measurement]:
    return (m for m in document["measurements"] if m["part"] == part)


def median(entry: Optional[Measurement], key: str = "seconds") -> Optional[float]:
    values = entry.get(key) if entry else None
    return statistics.median(values) if values else None


def spread(entry: Optional[Measurement], key: str = "seconds") -> Optional[tuple[float, float]]:
    """The middle half of the rounds; both ends of the range when there are fewer than four."""
    values = entry.get(key) if entry else None
    if not values:
        return None
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def rate(entry: Optional[Measurement], key: str = "seconds") -> Optional[float]:
    """Bytes of input a second."""
    time = median(entry, key)
    return entry["bytes"] / time if entry and time and entry["bytes"] else None
