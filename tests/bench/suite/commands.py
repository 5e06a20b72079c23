# SPDX-License-Identifier: Apache-2.0
"""Runs commands and keeps what they took; commands on one subject take turns."""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
from typing import Any, Callable, NamedTuple, Optional, Sequence

from . import results


class Job(NamedTuple):
    """A command that is timed as `work` of `who`. Its outputs are removed after every run."""
    work: str
    who: str
    bytes: int
    command: Sequence[str]
    outputs: Sequence[pathlib.Path] = ()
    shown: str = ""  # the command without this machine's paths


class Taken(NamedTuple):
    """What detent_measure says; see native/measure.cpp."""
    facts: dict[str, Any]
    text: str  # the last lines that the command printed


def take(binaries: pathlib.Path, command: Sequence[str]) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        result = pathlib.Path(folder) / "result.json"
        ran = subprocess.run([str(binaries / "detent_measure"), str(result), *command], capture_output=True,
                             text=True, check=False, stdin=subprocess.DEVNULL, errors="replace",
                             env={**os.environ, "CI": "true", "NO_COLOR": "1"})
        facts = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {"exit": 127}
    return Taken(facts, "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-3:]))


def remove(paths: Sequence[pathlib.Path]) -> int:
    """Bytes that lay there."""
    size = 0
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*"), reverse=True):
            if file.is_dir():
                file.rmdir()
                continue
            size += file.stat().st_size
            file.unlink()
    return size


def take_turns(document: dict[str, Any], part: str, binaries: pathlib.Path, jobs: Sequence[Job], rounds: int,
               warm_up: Optional[Callable[[], None]] = None) -> None:
    entries = {}
    for job in jobs:
        entry = results.measurement(part, job.work, job.who, job.bytes)
        entry["command"] = job.shown or " ".join(job.command)
        document["measurements"].append(entry)
        entries[job] = entry
    if warm_up:
        warm_up()
    for _ in range(rounds):
        for job, entry in entries.items():
            if "error" not in entry:
                _once(entry, binaries, job)


def _once(entry: results.Measurement, binaries: pathlib.Path, job: Job) -> None:
    taken = take(binaries, job.command)
    written = remove(job.outputs)
    if taken.facts["exit"] != 0:
        entry["error"] = f"exit status {taken.facts['exit']}: {taken.text[-300:]}"
        print(f"    {job.work} | {job.who}: {entry['error']}", flush=True)
        return
    facts = taken.facts
    entry["seconds"].append(facts["seconds"])
    entry.setdefault("cpu_seconds", []).append(facts["user"] + facts["system"])
    entry.setdefault("peak_rss", []).append(facts["peak_rss"])
    entry.setdefault("peak_anonymous", []).append(facts["peak_anonymous"])
    entry["output_bytes"] = written
