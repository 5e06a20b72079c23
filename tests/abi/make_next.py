#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Headers of a later minor version, as they might be: make_next.py INCLUDE OUT

Every struct that may grow has one more field at its end, and the minor is higher. What is compiled with them
and what is compiled with today's have to work together, either way.
"""
import re
import shutil
import sys
from pathlib import Path

import headers

MINOR = 31


def grown(text, names):
    for name in names:
        text, n = re.subn(rf"\n\}} {name};", f"\n  void (*from_the_future)(void);\n}} {name};", text)
        text, m = re.subn(rf"(DETENT_NO_TAIL\({name}, )\w+\)", r"\1from_the_future)", text)
        if n != 1 or m != 1:
            raise SystemExit(f"{name}: {n} definitions, {m} asserts")
    return text


def main():
    include, out = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(include, out)
    growing = [s for s in headers.structs(include) if not s.frozen]
    for path in headers.paths(out):
        text = grown(path.read_text(encoding="utf-8"), [s.name for s in growing if s.header == path.name])
        if path.name == "base.h":
            text, n = re.subn(r"(#define DETENT_ABI_MINOR )\d+u", rf"\g<1>{MINOR}u", text)
            if n != 1:
                raise SystemExit("no DETENT_ABI_MINOR")
        path.write_text(text, encoding="utf-8")
    print(f"{len(growing)} structs have grown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
