# SPDX-License-Identifier: Apache-2.0
"""Part `plugins`: built-in plugins through the ABI beside their peers, in one run, taking turns.

Both sides are programs that stay: a name goes in, the time of one call comes out. Before each of our turns
and after it stands the peer's, so what else the machine does falls on both.
"""
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tempfile
from typing import Any, Optional

from . import results, rows

PART = "plugins"
MEMORY = tuple(f"memory_{what}/f32/256MiB/{threads}" for what in ("read", "copy") for threads in (1, 2))
BOUNDARY = tuple(f"boundary_{side}/f32/{size}/1" for size in ("1MiB", "4KiB") for side in ("abi", "direct"))


class Server:
    """A program that answers one line with one line."""

    def __init__(self, command: list[str], folder: str):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env=_environment(folder))

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else {"error": "the program ended"}

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def _environment(folder: str) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {**os.environ, **threads, "TMPDIR": folder}


def _take(entry: results.Measurement, answer: dict[str, Any]) -> None:
    if "error" in answer:
        entry["error"] = answer["error"]
        return
    entry["seconds"].append(answer["seconds"])
    entry.setdefault("cpu_seconds", []).append(answer["cpu_seconds"])


class Turns:
    """Asks both sides and keeps what they say; a work that failed once is not asked again."""

    def __init__(self, document: dict[str, Any], ours: Server, theirs: Optional[Server], sizes: dict[str, int]):
        self.document, self.ours, self.theirs, self.sizes = document, ours, theirs, sizes

    def entry(self, name: str, work: str, who: str, beside: str = "") -> results.Measurement:
        """`name` is that of our work, whose bytes count for both sides."""
        made = results.measurement(PART, work, who, self.sizes.get(name, 0))
        if beside:
            made["beside"] = beside
        self.document["measurements"].append(made)
        return made

    def ours_alone(self, name: str, rounds: int) -> None:
        entry = self.entry(name, name, "detent")
        for _ in range(rounds):
            if "error" not in entry:
                _take(entry, self.ours.ask(name))

    def row(self, row: rows.Row, rounds: int) -> None:
        name = row.work + "/1"
        size = row.work.rpartition("/")[2]
        server, request = self.theirs, f"{row.peer}/{size}"
        if row.peer.startswith("plain_"):  # a loop in our own program
            server, request = self.ours, f"{row.peer}/f32/{size}/1"
        if not row.peer or server is None:
            self.ours_alone(name, rounds)
            return
        ours = self.entry(name, name, "detent", row.peer)
        theirs = self.entry(name, row.work, row.peer)
        for _ in range(rounds):
            if "error" not in ours:
                _take(ours, self.ours.ask(name))
            if "error" not in theirs:
                _take(theirs, server.ask(request))


def work_sizes(program: pathlib.Path) -> dict[str, int]:
    listing = subprocess.run([str(program), "--works"], capture_output=True, text=True, check=True).stdout
    return {name: int(size) for name, size in (line.split() for line in listing.splitlines())}


def run(document: dict[str, Any], binaries: pathlib.Path, python: Optional[pathlib.Path], rounds: int,
        folder: pathlib.Path, quick: bool) -> None:
    program = binaries / "detent_plugins_bench"
    if not program.is_file():
        document["notes"][PART] = ["google-benchmark is not installed: plugins were not timed"]
        return
    with tempfile.TemporaryDirectory(prefix="detent-bench-", dir=folder) as scratch:
        ours = Server([str(program), "--serve"], scratch)
        theirs = None
        if python:
            theirs = Server([str(python), str(pathlib.Path(__file__).with_name("peer_server.py"))], scratch)
        turns = Turns(document, ours, theirs, work_sizes(program))
        for row in rows.GOALS if quick else rows.GOALS + rows.OTHERS:
            print(f"    {row.label}" + (f" | {row.peer}" if row.peer else ""), flush=True)
            turns.row(row, rounds)
        for name in () if quick else rows.PARALLEL:
            turns.ours_alone(name + "/2", rounds)
        for name in MEMORY + BOUNDARY:
            turns.ours_alone(name, rounds)
        for server in filter(None, (ours, theirs)):
            server.close()
