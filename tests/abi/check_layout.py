#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the layout of every ABI struct with the one that was released.

    check_layout.py COMPILER INCLUDE LAYOUT [--write]

The compiler says size and offsets; the fields come from the headers. LAYOUT is append-only within a
minor version: no line may change or go, a struct may get new fields at its end, and FROZEN ones may not.
--write records new structs and fields, and refuses when a line would change.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import headers


def measure(compiler, include, structs):
    lines = ["#include <detent/abi.h>", "#include <stdio.h>", "int main(void) {"]
    for s in structs:
        lines.append(f'  printf("{s.name} {"frozen" if s.frozen else "size"} %zu\\n", sizeof({s.name}));')
        for f in s.fields:
            lines.append(
                f'  printf("{s.name}.{f.name} %zu+%zu\\n", offsetof({s.name}, {f.name}), sizeof((({s.name} *)0)->{f.name}));')
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "layout"))
        subprocess.run([*compiler.split(), "-std=c11", "-I", include, "-x", "c", "-", "-o", program],
                       input="\n".join([*lines, "  return 0;", "}"]), text=True, check=True)
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def broken(released, now):
    """The lines of the release that hold no more; a struct that is not frozen may have grown."""
    values = dict(line.rsplit(" ", 1) for line in now)
    for line in released:
        key, value = line.rsplit(" ", 1)
        found = values.get(key)
        grown = key.endswith(" size") and found is not None and int(found) >= int(value)
        if found != value and not grown:
            yield f"{line}   now: {found or 'gone'}"


def main():
    compiler, include, layout = sys.argv[1:4]
    now = measure(compiler, include, headers.structs(include))
    path = Path(layout)
    released = [l for l in path.read_text().splitlines() if l and l[0] != "#"] if path.exists() else []
    bad = list(broken(released, now))
    unlisted = [line for line in now if line.rsplit(" ", 1)[0] not in {l.rsplit(" ", 1)[0] for l in released}]
    if "--write" in sys.argv and not bad:
        path.write_text("# struct.field offset+size, 64-bit; see check_layout.py\n" + "\n".join(now) + "\n")
        print(f"{len(now)} lines written")
        return 0
    for line in bad:
        print("broken:", line)
    for line in unlisted:
        print("not in the list (run with --write):", line)
    if not bad and not unlisted:
        print(f"{len(now)} offsets and sizes as released")
    return 1 if bad or unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
