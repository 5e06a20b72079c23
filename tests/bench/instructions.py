#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts instructions under valgrind and compares them with instructions.json: a check of speed that does not
depend on what else the machine does.

    instructions.py BINARIES [--update] [--expected FILE] [--only NAME]...

BINARIES is the folder of detent and detent_bench_once. Counts hold for one compiler, build type and instruction
set (valgrind's, which has no AVX-512); for others the check is skipped (77), as without valgrind. More
instructions than the tolerance allows is a failure, fewer is good news that --update keeps.
"""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from suite import models

SKIPPED = 77
EXPECTED = pathlib.Path(__file__).with_name("instructions.json")
SHAPE = models.Shape(hidden=512, key_values=128, inner=768, vocabulary=256, layers=1)  # 8 MB
# Works of detent_bench_once and how often each is done; the set-up is not counted.
WORKS = {"minmax_tensor/f32/cached/1": 20, "minmax_channel/f32/cached/1": 20, "histogram/f32/cached/1": 5,
         "entropy_search/f32/cached/1": 1, "int8_channel/f32/cached/1": 10, "int4_g128/f32/cached/1": 10,
         "int4_g32/f32/cached/1": 10, "int8_dequantize/f32/cached/1": 10, "boundary_abi/f32/4KiB/1": 200}
QUANTIZERS = {"run_int8": {"quantizer": "int8"},
              "run_int4_g128": {"quantizer": "int4_groupwise", "params": {"default_skip": False}}}


class Counter:
    """Counts in a folder of its own, so that caches of the user are neither used nor changed."""

    def __init__(self, binaries: pathlib.Path, folder: pathlib.Path):
        self.binaries, self.folder = binaries, folder
        self.environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "CI": "true",
                            "XDG_CACHE_HOME": str(folder / "cache"), "LC_ALL": "C"}

    def run(self, command: list[str]) -> str:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment,
                             cwd=self.folder, stdin=subprocess.DEVNULL)
        if ran.returncode:
            sys.exit(f"{' '.join(command)}\nexited with {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def key(self) -> str:
        """What the counts depend on, besides the sources."""
        about = json.loads(self.run(["valgrind", "-q", "--tool=none", str(self.binaries / "detent_bench_once"),
                                     "--about"]))
        return f"{about['compiler']}, {about['build_type']}, {about['targets'][0]}"

    def count(self, command: list[str], inside: str = "") -> int:
        """Of the whole process, or while the function `inside` runs."""
        out = self.folder / "callgrind.out"
        options = [f"--callgrind-out-file={out}"] + ([f"--toggle-collect={inside}"] if inside else [])
        self.run(["valgrind", "-q", "--tool=callgrind", *options, *command])
        for line in out.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("totals:"):
                return int(line.split()[1])
        sys.exit(f"valgrind counted nothing in: {' '.join(command)}")

    def work(self, name: str) -> int:
        times = WORKS[name]
        return self.count([str(self.binaries / "detent_bench_once"), name, str(times)], "detent_bench_call") // times

    def program(self, *arguments: str) -> int:
        command = [str(self.binaries / "detent"), *arguments]
        self.run(command)  # what is cached is warm
        return self.count(command)

    def pipeline(self, name: str, command: str) -> int:
        if not (self.folder / "model.safetensors").is_file():
            models.write(self.folder / "model.safetensors", SHAPE)
        config = self.folder / f"{name}.json"
        config.write_text(json.dumps({
            "model": {"path": "model.safetensors"}, "rules": [{"weight": QUANTIZERS[name]}],
            "outputs": [{"serializer": "safetensors", "path": "out/model.safetensors"}]}), encoding="utf-8")
        overwrite = ["--overwrite", "--threads", "1"] if command == "run" else []
        return self.program(command, str(config), *overwrite)


def subjects(counter: Counter) -> dict:
    """Name -> what counts it."""
    found = {"version": lambda: counter.program("--version"),
             "plan": lambda: counter.pipeline("run_int8", "plan")}
    for name in QUANTIZERS:
        found[name] = lambda name=name: counter.pipeline(name, "run")
    for name in WORKS:
        found[name] = lambda name=name: counter.work(name)
    return found


def compare(counted: dict[str, int], expected: dict[str, int], tolerance: float) -> list[str]:
    """What is wrong, a sentence each. Prints every figure."""
    problems = []
    for name, count in counted.items():
        if name not in expected:
            problems.append(f"{name} has no figure yet: run instructions.py --update")
            continue
        change = count / expected[name] - 1
        print(f"{name:32} {count:>14,} {change:+8.2%}")
        if count > expected[name] * (1 + tolerance):
            problems.append(f"{name} takes {count:,} instructions, {change:.1%} more than {expected[name]:,}")
        elif change < -tolerance:
            print(f"{'':32} faster: instructions.py --update keeps it")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="keep the figures of this build")
    parser.add_argument("--expected", type=pathlib.Path, default=EXPECTED)
    parser.add_argument("--only", action="append", help="count these alone")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        return SKIPPED
    document = json.loads(options.expected.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        counter = Counter(options.binaries.resolve(), pathlib.Path(folder))
        key = counter.key()
        if key not in document["counts"] and not options.update:
            print(f"skipped: no figures for {key}, only for {'; '.join(document['counts'])}")
            return SKIPPED
        counted = {name: count() for name, count in subjects(counter).items()
                   if not options.only or name in options.only}
    if options.update:
        document["counts"].setdefault(key, {}).update(counted)
        options.expected.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    problems = compare(counted, document["counts"][key], document["tolerance"])
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
