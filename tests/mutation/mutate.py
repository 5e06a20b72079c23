#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the numeric code, one at a time, and says which of them no test notices.

    mutate.py [--only ID]... [--jobs N] [--table docs/mutation.md] [--check]

Each fault of mutants.toml replaces one piece of one file in a copy of the committed tree; the tests that
it names are built and run there. A fault that no test notices, and one that does not compile, fail the run.
--check builds nothing: it only looks whether every fault still fits the sources.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import faults

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
SOURCE = WORK / "source"
BUILD = SOURCE / "build" / "dev"


def run(command, **options):
    return subprocess.run(command, text=True, capture_output=True, **options)


def copy_tree():
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    archive = subprocess.Popen(["git", "-C", str(ROOT), "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(SOURCE)], stdin=archive.stdout, check=True)


def configure():
    options = ["-DDETENT_WITH_TORCH=OFF"]
    if shutil.which("ccache"):  # most objects are those of the checkout
        os.environ.update(CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")
        options += ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    if shutil.which("mold"):
        options += [f"-DCMAKE_{kind}_LINKER_FLAGS=-fuse-ld=mold" for kind in ("EXE", "SHARED", "MODULE")]
    done = run(["cmake", "--preset", "dev", *options], cwd=SOURCE)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def build(tests, jobs):
    targets = ["test_" + t.replace(".", "_") for t in tests]
    return run(["cmake", "--build", str(BUILD), "-j", str(jobs), "--target", *targets])


def test(tests, jobs):
    """The names of the tests that failed."""
    pattern = "^(" + "|".join(re.escape(t) for t in tests) + ")$"
    done = run(["ctest", "--test-dir", str(BUILD), "-R", pattern, "-j", str(jobs), "--timeout", "200"])
    if "No tests were found" in done.stdout + done.stderr:
        sys.exit(f"no such tests: {pattern}")
    return re.findall(r"^\s*\d+ - (\S+) \(", done.stdout, re.M)


def judge(fault, jobs):
    path = SOURCE / fault.file
    original = path.read_text()
    path.write_text(faults.plant(fault, original))
    try:
        built = build(fault.tests, jobs)
        if built.returncode:
            lines = [l for l in built.stdout.splitlines() if " error: " in l]
            return "does not compile: " + (lines[0] if lines else "see the build")
        return test(fault.tests, jobs)
    finally:
        path.write_text(original)


def require_green(chosen, jobs):
    """Tests that fail without a fault prove nothing."""
    tests = sorted({t for f in chosen for t in f.tests})
    built = build(tests, jobs)
    if built.returncode:
        sys.exit(built.stdout[-4000:])
    red = test(tests, jobs)
    if red:
        sys.exit(f"these tests fail without any fault: {', '.join(red)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()

    every = faults.read(Path(__file__).with_name("mutants.toml"))
    wrong = [w for f in every if (w := faults.misfit(f, ROOT))]
    if wrong:
        sys.exit("\n".join(wrong))
    if args.check:
        return print(f"{len(every)} faults fit the sources")
    chosen = [f for f in every if not args.only or f.id in args.only]

    copy_tree()
    configure()
    require_green(chosen, args.jobs)
    results = {}
    for fault in chosen:
        start = time.time()
        results[fault.id] = found = judge(fault, args.jobs)
        said = found if isinstance(found, str) else ", ".join(found) or "NOT NOTICED"
        print(f"{fault.id}: {said} ({time.time() - start:.0f} s)", flush=True)
    missed = [i for i, found in results.items() if isinstance(found, str) or not found]
    if args.table:
        faults.write_table(args.table, chosen, results)
    print(f"{len(chosen) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
