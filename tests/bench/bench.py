#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks. ./dev bench builds what they need and runs this; it judges nothing.

Figures go to build/bench/results.json, which keeps those of parts that are not run this time. With --page
docs/benchmarks.md and its plots are written from it.
"""
from __future__ import annotations

import argparse
import datetime
import os
import pathlib
import signal
import sys
import time
from typing import Any, Callable

from suite import files_part, machine, page, peers, plugins_part, programs_part, results, startup_part

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SHARED_MEMORY = pathlib.Path("/dev/shm")


class Bench:
    """What the parts share."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.binaries = REPOSITORY / "build" / options.preset / "bin"
        self.peers = peers.Peers(REPOSITORY)
        self.document: dict[str, Any] = {}
        on_disk = options.disk or not os.access(SHARED_MEMORY, os.W_OK)
        self.folder = REPOSITORY / "build" / "cache" / "bench" if on_disk else SHARED_MEMORY
        self.folder.mkdir(parents=True, exist_ok=True)

    def rounds(self, full: int, quick: int) -> int:
        return quick if self.options.quick else full

    def plugins(self) -> None:
        plugins_part.run(self.document, self.binaries, self.peers.python, self.rounds(7, 3), self.folder,
                         self.options.quick)

    def files(self) -> None:
        files_part.run_files(self.document, self.binaries, self.folder, self.peers.python,
                             self.peers.llama_quantize, self.rounds(3, 2), self.options.quick)

    def scaling(self) -> None:
        files_part.run_scaling(self.document, self.binaries, self.folder, self.rounds(3, 1), self.options.quick)

    def startup(self) -> None:
        startup_part.run(self.document, REPOSITORY, self.binaries, self.rounds(15, 5), self.options.quick)

    def calibration(self) -> None:
        programs_part.calibration(self.document, REPOSITORY, self.binaries, self.options.quick)

    def artefacts(self) -> None:
        programs_part.artefacts(self.document, REPOSITORY, self.binaries, self.options.quick)

    def instructions(self) -> None:
        programs_part.instructions(self.document, REPOSITORY, self.binaries)


PARTS: dict[str, Callable[[Bench], None]] = {
    "plugins": Bench.plugins, "files": Bench.files, "scaling": Bench.scaling, "startup": Bench.startup,
    "calibration": Bench.calibration, "artefacts": Bench.artefacts, "instructions": Bench.instructions}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, smaller files, under two minutes")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), metavar="PART",
                        help="one part, may be repeated: " + ", ".join(PARTS))
    parser.add_argument("--no-peers", action="store_true", help="our own figures alone; installs nothing")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", default=REPOSITORY / "build/bench/results.json")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md and its plots")
    parser.add_argument("--disk", action="store_true", help="files lie in build/cache/bench, not in memory")
    parser.add_argument("--preset", default="bench", help=argparse.SUPPRESS)
    return parser.parse_args()


def describe(bench: Bench) -> None:
    """What holds for the whole document: of the last run that wrote into it."""
    document = bench.document
    document["date"] = datetime.date.today().isoformat()
    document["commit"], document["dirty"] = machine.commit(REPOSITORY)
    document["folder"] = "disk" if bench.options.disk else "tmpfs"
    document["machine"] = machine.facts(bench.binaries)
    if not bench.options.no_peers:
        bench.peers.prepare(programs="files" in (bench.options.only or PARTS))
        document["versions"] = bench.peers.versions()


def main() -> int:
    # Gigabytes in memory are not left behind by who is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse_arguments()
    bench = Bench(options)
    if not (bench.binaries / "detent_bench_once").is_file():
        print(f"error: there is nothing built in build/{options.preset}; ./dev bench builds it", file=sys.stderr)
        return 2
    bench.document = results.load(options.json)
    describe(bench)
    for name in options.only or PARTS:
        print(f"==> {name}", flush=True)
        results.forget(bench.document, name)
        start = time.monotonic()
        PARTS[name](bench)
        bench.document["parts"][name] = {"seconds": round(time.monotonic() - start, 1),
                                         "command": f"./dev bench --only {name}",
                                         "quick": options.quick}
        results.save(options.json, bench.document)
    if options.page:
        page.write(bench.document, REPOSITORY / "docs")
    print(page.summary(bench.document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
